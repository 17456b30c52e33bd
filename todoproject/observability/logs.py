"""Structured logs: one JSON object a line, or readable lines in development, with the request's context in each.

What is never logged: tokens, passwords, titles, bodies, query strings.
"""

import logging
import logging.config
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings
from django.utils.termcolors import colorize

# `request` is Django's in lines of its own: as text it is the address, with the query.
_LEFT_OUT = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request"}


@dataclass(slots=True)
class RequestContext:
    """What is known of the request at hand; every log line carries it."""

    request_id: str
    user_id: str | None = None
    route: str | None = None
    database_seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


# What else wants to know the route of the request at hand; tracing adds itself.
route_observers: list[Callable[[str], None]] = []

context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def add_database_time(seconds: float) -> None:
    """Count time spent waiting for the database to the request at hand."""
    current = context.get()
    if current is not None:
        current.database_seconds += seconds


def name_user(user_id: str) -> None:
    """Let the lines of the request at hand name its user."""
    current = context.get()
    if current is not None:
        current.user_id = user_id


def note_route(route: str) -> None:
    """Let the lines of the request at hand that concern its route name it."""
    current = context.get()
    if current is not None:
        current.route = route
    for observe in route_observers:
        observe(route)


def note(**facts: object) -> None:
    """Add facts, ids at most, to the access line of the request at hand."""
    current = context.get()
    if current is not None:
        current.facts |= facts


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record's own fields: the request's context and what was passed as `extra`."""
    fields: dict[str, Any] = {}
    current = context.get()
    if current is not None:
        fields["request_id"] = current.request_id
        if current.user_id is not None:
            fields["user_id"] = current.user_id
    fields |= {name: value for name, value in vars(record).items() if name not in _LEFT_OUT}
    return fields


class JSONFormatter(logging.Formatter):
    """One JSON object a line: `time` (RFC 3339, UTC), `level`, `logger`, `event`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class ConsoleFormatter(logging.Formatter):
    """A readable line for a developer's terminal."""

    _COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}

    def __init__(self) -> None:
        super().__init__()
        self._is_terminal = sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def _colour(self, text: str, colour: str) -> str:
        return colorize(text, fg=colour) if self._is_terminal else text

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")  # noqa: DTZ006 -- the developer's own clock
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{time} {record.levelname:<7} {record.getMessage()}"
        if fields:
            line += "  " + self._colour(fields, "cyan")
        if record.levelname in self._COLOURS:
            line = self._colour(line, self._COLOURS[record.levelname])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure() -> None:
    """Set up logging for the whole process: everything goes to standard error, one line an event."""
    # Nobody reads these, and finding them out costs as much as the rest of a line (logging HOWTO, "Optimization").
    # The process stays: lines of gunicorn and hypercorn name it.
    logging.logThreads = logging.logMultiprocessing = False
    formatter = JSONFormatter if settings.LOG_FORMAT == "json" else ConsoleFormatter
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": formatter}},
            "handlers": {"stderr": {"()": "todoproject.observability.log_handler.handler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": settings.LOG_LEVEL},
            "loggers": {
                # psycopg_pool tells each loan at INFO, uvicorn's start lines repeat ours.
                "psycopg.pool": {"level": "WARNING"},
                "uvicorn": {"level": "WARNING"},
                # Ours is the access line; Django's "Not Found: /path" would tell it again.
                "django.request": {"level": "ERROR"},
                # A scanner that makes up a host gets its 400, and the access line tells; that is no error of ours.
                "django.security.DisallowedHost": {"level": "CRITICAL"},
            },
        }
    )
