"""The admin's connections in a server process: a few for all threads, replaced together when their server slept."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from django.conf import settings
from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from todoproject.database.engine.liveness import Mortal
from todoproject.database.engine.patience import patiently
from todoproject.database.waiting import Outage

# Staff are few, and each of their requests needs one connection for some milliseconds.
SIZE = 4
# Nobody looks at the admin for longer than this: its connections are somebody else's then.
_IDLE_SECONDS = 60
# A person waits longer than a program, and some pages of the admin count. What takes longer than this is stuck.
_STATEMENT_SECONDS = 60.0

Configure = Callable[["Connection[Any]"], object]


class AdminConnection(Mortal, Connection[Any]):
    """A connection that is patient when it is made and notices its end, and that waits for no answer for ever."""

    generation = 0

    @classmethod
    def connect(  # type: ignore[override]  # the pool is the only caller, and these are its arguments
        cls, conninfo: str = "", *, parameters: dict[str, Any], outage: Outage
    ) -> Self:
        """Connect; try again while the failure is one that passes."""

        return patiently(partial(super().connect, conninfo, **parameters), outage.note)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for a statement's end. Raises OperationalError where the server, though it is there, says nothing."""
        try:
            return super().wait(gen, interval, _STATEMENT_SECONDS if timeout is None else timeout)
        except OperationalError:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # it still waits: nobody may inherit that
            raise


class AdminPool(ConnectionPool[AdminConnection]):
    """psycopg_pool's, with the care of the API's pool (todoproject/database/client/pool.py)."""

    def __init__(self, parameters: dict[str, Any], configure: Configure) -> None:
        self._outage = Outage()
        self._generation = 0
        self._generation_lock = threading.Lock()
        self._configure_for_django = configure
        super().__init__(
            connection_class=AdminConnection,
            kwargs={"parameters": parameters, "outage": self._outage},
            min_size=0,
            max_size=SIZE,
            max_idle=_IDLE_SECONDS,
            timeout=settings.DATABASE_POOL_TIMEOUT,
            reconnect_timeout=5,  # then the next request starts anew
            num_workers=1,
            configure=self._prepare,
            check=self._refuse_dead,
            name="admin",
            open=False,
        )

    def getconn(self, timeout: float | None = None) -> AdminConnection:
        """Take a connection. Raises PoolTimeout, which tells the true cause."""
        try:
            return super().getconn(timeout or self._outage.patience())
        except PoolTimeout as error:
            reason = self._outage.reason or "all are in use, or tries to connect are unanswered so far"
            raise PoolTimeout(f"{error}: {reason}") from None

    def _prepare(self, connection: AdminConnection) -> None:
        self._configure_for_django(connection)
        connection.listen_for_farewell()
        connection.generation = self._generation
        self._outage.end()

    def _refuse_dead(self, connection: AdminConnection) -> None:
        """Refuse a dead connection, without a round trip; the first of a generation takes the others along.

        By themselves each would cost psycopg_pool a pause that doubles.
        """
        if not connection.is_dead():
            return
        connection.close()
        with self._generation_lock:
            is_first = connection.generation == self._generation
            self._generation += is_first
        if is_first:
            self._outage.begin()
            self.drain()
        raise OperationalError("the server has ended this connection")
