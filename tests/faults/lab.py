"""Where a scenario is played: PostgreSQL, PgBouncer and the proxy stand ready, and applications are started on them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.faults import certificates
from tests.faults.application import WORKERS, Application
from tests.faults.cluster import Cluster
from tests.faults.pooler import Pooler
from tests.faults.proxy import Proxy
from todoproject.database import embedded

# Real Neon names: what the product does for those, it does here. They lead to 127.0.0.1 by `hostaddr`.
_ZONE = "eu-central-1.aws.neon.tech"
DIRECT, POOLED = f"ep-quiet-lake-a1b2c3d4.{_ZONE}", f"ep-quiet-lake-a1b2c3d4-pooler.{_ZONE}"
_LIMITS = ("RATE_LIMIT", "RATE_LIMIT_ANONYMOUS", "LOGIN_LIMIT", "REGISTER_LIMIT", "PASSWORD_RESET_LIMIT")
_SHORT_MINUTES = 0.15
_REACHABLE_SECONDS = 30
_UNLIMITED = dict.fromkeys(_LIMITS, "off")


@dataclass
class Outcome:
    """What a scenario has counted, and what it found to be wrong, a sentence each."""

    counts: dict[str, int | float | str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def require(self, condition: object, otherwise: str) -> None:
        """Note a failure unless the condition holds."""
        if not condition:
            self.failures.append(otherwise)


@dataclass
class Lab:
    """The stand-ins of one run, and how much it is to do."""

    folder: Path
    cluster: Cluster
    pooler: Pooler
    proxy: Proxy
    is_short: bool
    minutes: float | None  # of what plays for a stated time, where somebody has stated one
    say: Callable[[str], None]
    _running: tuple[tuple[int, dict[str, str]], Application] | None = None

    def length(self, minutes: float) -> float:
        """Return for how many minutes to play what takes so many in its full form."""
        return self.minutes or (_SHORT_MINUTES if self.is_short else minutes)

    def url(self, host: str) -> str:
        """Return the DATABASE_URL that leads through the proxy to the server itself, or to the pooler."""
        authority = quote(str(self.folder / "ca.pem"))
        parameters = f"hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={authority}"
        return f"postgresql://{embedded.OWNER}@{host}:{self.proxy.port}/{embedded.DATABASE}?{parameters}"

    async def application(self, host: str = POOLED, *, workers: int = WORKERS, **settings: str) -> Application:
        """Serve from several workers; the application at hand goes on if it has these settings, else it is ended."""
        wanted = self._settings(host, settings)
        if self._running and self._running[0] == (workers, wanted) and self._running[1].last_words is None:
            return self._running[1]
        await self.end_application()
        await self._answers(wanted["DATABASE_URL"])
        self._running = (workers, wanted), Application(workers, **wanted)
        await self._running[1].start()
        return self._running[1]

    @asynccontextmanager
    async def second_machine(
        self, host: str = POOLED, *, workers: int = 1, **settings: str
    ) -> AsyncIterator[Application]:
        """Serve the same database from another application, with a supervisor of its own, while the block runs."""
        application = Application(workers, **self._settings(host, settings))
        try:
            await application.start()
            yield application
        finally:
            await application.close()

    def _settings(self, host: str, settings: dict[str, str]) -> dict[str, str]:
        wanted = _UNLIMITED | {"DATABASE_URL": self.url(host), "MIGRATE_ON_START": "true"} | settings
        if host == POOLED:  # PgBouncer 1.18, which Debian 12 has, cannot keep them; Neon's can
            wanted["DATABASE_PREPARED_STATEMENTS"] = "false"
        return wanted

    async def _answers(self, url: str) -> None:
        """Wait until the database can be reached: after a fault PgBouncer refuses for its `server_login_retry`.

        A start does not wait for that: whoever starts it tries again.
        """
        deadline = time.monotonic() + _REACHABLE_SECONDS
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    url, connect_timeout=5, prepare_threshold=None
                ) as session:
                    await session.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def end_application(self) -> None:
        """End the application, if there is one; the next scenario gets a new one."""
        if self._running:
            await self._running[1].close()
            self._running = None


@asynccontextmanager
async def prepare(
    folder: Path, *, is_short: bool, minutes: float | None, say: Callable[[str], None]
) -> AsyncIterator[Lab]:
    """Start the stand-ins, and stop them at the end."""
    cluster = Cluster(folder / "postgres")
    await cluster.start()
    pooler = Pooler(folder / "pooler", cluster.socket)
    await pooler.start()
    try:
        context = certificates.issue(folder, [DIRECT, POOLED])
        async with Proxy(context, {DIRECT: cluster.socket, POOLED: pooler.socket}) as proxy:
            lab = Lab(folder, cluster, pooler, proxy, is_short, minutes, say)
            try:
                yield lab
            finally:
                await lab.end_application()
    finally:
        await pooler.kill()
        embedded.stop()
