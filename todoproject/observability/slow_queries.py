"""How long the database takes: counted for each message, told in the log where it is slow, given to tracing."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from todoproject.observability import logs, metrics

logger = logging.getLogger("todoproject.database")

# How much of a long shape is told: what it selects says little, its conditions and order at the end say most.
_HEAD, _TAIL = 200, 800

# What else wants to know of a message that was answered: engine, shape, seconds. Tracing adds itself.
observers: list[Callable[[str, str, float], None]] = []


def note(engine: str, shape: str | bytes, started: float, rows: int | None = None) -> float:
    """Take note of a message that was sent at `started` (perf_counter) and is answered now, or has failed.

    Returns the seconds between.
    `shape` is the statement without its values: it must hold nobody's data.
    """
    seconds = time.perf_counter() - started
    metrics.count_statement(engine, seconds)
    if seconds >= settings.SLOW_QUERY_SECONDS:
        metrics.count("slow", engine)
        current = logs.context.get()
        facts = {"route": current.route if current else None, "duration_ms": round(seconds * 1000, 2), "rows": rows}
        logger.warning("slow query", extra=facts | {"engine": engine, "statement": _one_line(_text(shape))})
    for observe in observers:
        observe(engine, _text(shape), seconds)
    return seconds


def execute(execute: Callable[..., Any], query: Any, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    """Take note of what Django's engine sends (`connection.execute_wrapper`)."""
    started, rows = time.perf_counter(), None
    try:
        result = execute(query, parameters, many, context)
        rows = context["cursor"].rowcount
        return result
    finally:
        # What psycopg has composed may hold values in its text; Django's own statements have %s for each.
        shape = query if isinstance(query, str) else type(query).__name__
        logs.add_database_time(note("django", shape, started, rows))


def _text(shape: str | bytes) -> str:
    return shape if isinstance(shape, str) else shape.decode()


def _one_line(shape: str) -> str:
    text = " ".join(shape.split())
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]} … {text[-_TAIL:]}"
