"""PostgreSQL, on a data folder of its own: killed, and started again on the same data."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.faults import processes
from todoproject.database import embedded

# `pg_ctl stop` sends these (PostgreSQL's documentation, "Shutting Down the Server").
SHUTDOWNS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Cluster:
    """The embedded server, with settings that may change from start to start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._options: dict[str, str] = {}

    @property
    def socket(self) -> Path:
        """The unix socket that it listens on."""
        return embedded.socket_directory(self._folder) / ".s.PGSQL.5432"

    async def start(self, **options: str) -> None:
        """Start it; without options, with those of the last time."""
        self._options = options or self._options
        await asyncio.to_thread(embedded.start, self._folder, options=self._options)

    async def stop(self, shutdown: str) -> None:
        """End it as `pg_ctl stop -m` does: `fast` says farewell to its clients, `immediate` drops everything."""
        process = int((self._folder / "postmaster.pid").read_text().split()[0])
        os.kill(process, SHUTDOWNS[shutdown])
        await processes.ended(process)

    async def query(
        self, query: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """Ask as its superuser, whom no policy binds, and past everything that stands in front."""
        async with await psycopg.AsyncConnection.connect(self._superuser, autocommit=True) as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def holding(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> AsyncIterator["psycopg.AsyncConnection[Any]"]:
        """Run a statement and keep what it has locked while the block runs; what the block does sees all before."""
        async with await psycopg.AsyncConnection.connect(self._superuser) as connection:
            await connection.execute(statement, parameters)
            yield connection

    @property
    def _superuser(self) -> str:
        return f"host={self.socket.parent} user=postgres dbname={embedded.DATABASE}"

    async def end_all_backends(self) -> int:
        """Terminate every session of the application, as an administrator would; return how many there were."""
        ended = await self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [embedded.OWNER]
        )
        return len(ended)

    async def sessions(self) -> int:
        """Count the sessions of the application."""
        rows = await self.query("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [embedded.OWNER])
        count: int = rows[0][0]
        return count
