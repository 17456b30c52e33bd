"""Django's PostgreSQL engine for the admin and for commands, with care for a database that is still asleep."""

from typing import Any, ClassVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql import base, schema
from psycopg import Connection

from todoproject.database.engine import roles
from todoproject.database.engine.patience import patiently
from todoproject.database.engine.pool import AdminPool
from todoproject.observability import slow_queries


class SchemaEditor(schema.DatabaseSchemaEditor):
    """Migrations call the roles todo_api and todo_account; here they become what the settings call them."""

    def execute(self, sql: Any, params: Any = ()) -> None:
        super().execute(roles.renamed(sql) if isinstance(sql, str) else sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """The stock engine; it waits for a sleeping server to wake, and a server process has it pooled (`open_pool`).

    A command connects by itself: it needs one connection, and no threads that tend a pool.
    """

    SchemaEditorClass = SchemaEditor
    _pools: ClassVar[dict[str, AdminPool]] = {}

    @property
    def pool(self) -> "AdminPool | None":
        return self._pools.get(self.alias)

    def open_pool(self) -> None:
        """Let all threads of this process share a few connections from now on."""
        parameters = {**self.get_connection_params(), "autocommit": True}  # Django sets it as it needs it
        pool = AdminPool(parameters, self._configure_connection)  # type: ignore[attr-defined]  # not in the stubs
        pool.open()
        self._pools[self.alias] = pool

    def close_pool(self) -> None:
        """Close them; called without a pool, too."""
        if (pool := self._pools.pop(self.alias, None)) is not None:
            pool.close()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute_wrappers.append(slow_queries.execute)

    def get_new_connection(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        def connect() -> "Connection[Any]":
            return super(DatabaseWrapper, self).get_new_connection(conn_params)  # type: ignore[no-any-return]  # the stubs say Any

        return connect() if self.pool else patiently(connect)

    def _close(self) -> None:
        # One that was made before the pool, or that outlives it, is nobody else's.
        if self.connection is not None and (self.pool is None or self.connection._pool is None):
            self.connection.close()
        else:
            super()._close()  # type: ignore[misc]  # not in the stubs


def open_pool() -> None:
    """Open the pool of the default database, for as long as this process serves."""
    cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS]).open_pool()


def close_pool() -> None:
    """Close it; this waits for its threads to end."""
    cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS]).close_pool()
