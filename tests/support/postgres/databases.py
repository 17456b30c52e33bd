"""Direct connections to the tests' PostgreSQL, as the owner of the tables."""

import asyncio
from typing import Any

import psycopg
from django.conf import settings

from tests.environment import FOLDER
from todoproject.database import embedded


def connect(database: str | None = None, **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
    """Connect to the test database, or to another one of the same server."""
    where: dict[str, Any] = {
        "dbname": database or settings.DATABASES["default"]["NAME"],
        "user": embedded.OWNER,
        "host": str(embedded.socket_directory(FOLDER / "postgres")),
    }
    return psycopg.connect(**where | options)


async def lock_queue(count: int) -> None:
    """Wait until so many statements wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with connect(autocommit=True) as connection:
        for _ in range(500):
            if connection.execute(query).fetchone() == (count,):
                return
            await asyncio.sleep(0.01)
    raise AssertionError("they do not wait")
