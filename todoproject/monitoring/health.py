"""Is it alive, is it well, may it be sent traffic?"""

import time
from typing import Literal

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement
from todoproject.database.errors import DatabaseNotReady, DatabaseUnavailable
from todoproject.http.field_types import Output
from todoproject.http.problems import UNAVAILABLE, Problem
from todoproject.http.responses import json_response
from todoproject.monitoring import draining, readiness
from todoproject.openapi.document import answers
from todoproject.version import VERSION

router = Router(tags=["health"])

_PING = Statement.unfenced("SELECT current_database()", repeatable=True)


class Health(Output):
    """The process and its database are well."""

    status: Literal["ok"]
    database: Literal["connected"]
    version: str = Field(examples=[VERSION])


class DatabaseHealth(Output):
    """The database answers."""

    status: Literal["ok"]
    database: str = Field(examples=["todo"])
    connected: bool
    latency_ms: float


class Alive(Output):
    """The process answers; it has asked nobody else."""

    status: Literal["ok"]


async def _ping() -> tuple[str, float]:
    started = time.perf_counter()
    try:
        rows = await pool.execute(_PING)
    except (DatabaseUnavailable, DatabaseNotReady):
        raise unreachable() from None
    return rows.text(0, 0), round((time.perf_counter() - started) * 1000, 2)


def unreachable() -> Problem:
    """Return the problem that monitors look for."""
    detail = "The database cannot be reached just now."
    return Problem(UNAVAILABLE, detail, headers={"Retry-After": "1"}, database="unreachable")


@router.get("", auth=None, operation_id="get_health", summary="Process and database", response=answers({200: Health}))
async def get_health(request: HttpRequest) -> HttpResponse:
    await _ping()
    return json_response(orjson.dumps({"status": "ok", "database": "connected", "version": VERSION}))


@router.get(
    "/db",
    auth=None,
    operation_id="get_database_health",
    summary="Database and its latency",
    response=answers({200: DatabaseHealth}),
)
async def get_database_health(request: HttpRequest) -> HttpResponse:
    name, latency_ms = await _ping()
    document = {"status": "ok", "database": name, "connected": True, "latency_ms": latency_ms}
    return json_response(orjson.dumps(document))


@router.get(
    "/live",
    auth=None,
    operation_id="get_liveness",
    summary="The process alone; wakes no sleeping database",
    response=answers({200: Alive}),
)
async def get_liveness(request: HttpRequest) -> HttpResponse:
    return json_response(b'{"status":"ok"}')


@router.get(
    "/ready",
    auth=None,
    operation_id="get_readiness",
    summary="Migrated, fenced and connected: ready for traffic",
    response=answers({200: Alive}),
)
async def get_readiness(request: HttpRequest) -> HttpResponse:
    if draining.announced.is_set():
        raise Problem(UNAVAILABLE, "Not ready: this process is about to end.", headers={"Retry-After": "5"})
    try:
        missing = await readiness.shortcomings()
    except DatabaseUnavailable:
        raise unreachable() from None
    if missing:
        raise Problem(UNAVAILABLE, "Not ready: " + "; ".join(missing) + ".", headers={"Retry-After": "5"})
    return json_response(b'{"status":"ok"}')
