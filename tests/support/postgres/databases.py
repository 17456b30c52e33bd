"""Direct connections to the tests' PostgreSQL, as the owner of the tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def owner_held(owner: object) -> AsyncIterator[None]:
    """Hold an owner's row until as many writes that are begun meanwhile as may wait at once do wait for it."""
    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [owner])
        yield
        await lock_queue(settings.DATABASE_POOL_SIZE // 2)  # the share of one owner
        holder.rollback()
