"""System checks of our own, by id; `manage.py check --database default` runs them, and so does every `migrate`.

todo.E001  The server is older than what the project is tested with.
todo.W001  The fence around users' data is open. A warning here, for the migration that closes it must be able to run;
           in production the server refuses to start (todoproject/serving/startup.py).
todo.W002  In production, and no proxy is trusted: behind one, all clients would share its address and its limits, and
           the admin would never see HTTPS. Only `check --deploy` asks.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from todoproject.monitoring import readiness


@register(Tags.database)
def check_database(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Return what is wrong with the databases that the command names; Django passes None where it names none."""
    return [message for alias in databases or () for message in _check(alias)]


@register(Tags.security, deploy=True)
def check_proxies(**_: Any) -> list[CheckMessage]:
    """Return a warning where nothing says what stands before this server."""
    if settings.TRUSTED_PROXIES or not settings.PRODUCTION:
        return []
    hint = "Set TRUSTED_PROXIES to the addresses of what terminates HTTPS, for example 127.0.0.1."
    return [
        checks.Warning("No proxy is trusted, so HTTPS and clients' addresses are not seen.", hint=hint, id="todo.W002")
    ]


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
