"""System checks of our own, by id; `manage.py check --database default` runs them, and so does every `migrate`.

todo.E001  The server is older than what the project is tested with.
todo.W001  The fence around users' data is open. A warning here, for the migration that closes it must be able to run;
           in production the server refuses to start (todoproject/startup.py).
"""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from todoproject.database import readiness


@register(Tags.database)
def check_database(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Return what is wrong with the databases that the command names; Django passes None where it names none."""
    return [message for alias in databases or () for message in _check(alias)]


def _check(alias: str) -> list[CheckMessage]:
    connection = connections[alias]
    if (problem := readiness.outdated(connection)) is not None:
        return [Error(problem, id="todo.E001")]
    if "tasks" not in connection.introspection.table_names():
        return []  # not migrated yet: there is nothing to fence
    hint = "Run `python manage.py migrate`; what it does not close, somebody has opened by hand."
    return [
        checks.Warning(f"The fence is open: {fence}.", hint=hint, id="todo.W001")
        for fence in readiness.open_fences(connection)
    ]
