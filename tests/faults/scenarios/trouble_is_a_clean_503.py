"""Let the database be there and be no use: locked, slow, half-open, silent."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.faults.application import WORKERS, Application
from tests.faults.client import Client, Lost
from tests.faults.lab import POOLED, Lab, Outcome

LETTER = "c"
CLAIM = (
    "A database that is full, slow, half-open or silent costs a 503 in a stated time, and is forgotten when it is well"
)

# Seconds: how long a request waits for a connection, for a new one, and for its answer. Those of
# docs/settings.md; the short form has no time to wait for them.
_SECONDS = {"POOL_TIMEOUT": 5, "CONNECT_TIMEOUT": 15, "STATEMENT_TIMEOUT": 10}
_SHORT_SECONDS = {"POOL_TIMEOUT": 1, "CONNECT_TIMEOUT": 2, "STATEMENT_TIMEOUT": 3}
_GRACE_SECONDS = 1  # for a machine that others use, too
_POOL_SIZE = 4
_CLIENTS = 24  # three for each connection
_RECOVERY_SECONDS = 10


async def run(lab: Lab) -> Outcome:
    seconds = _SHORT_SECONDS if lab.is_short else _SECONDS
    application = await lab.application(
        DATABASE_POOL_SIZE=str(_POOL_SIZE), **{f"DATABASE_{name}_SECONDS": str(it) for name, it in seconds.items()}
    )
    bound = max(seconds["POOL_TIMEOUT"], seconds["CONNECT_TIMEOUT"]) + seconds["STATEMENT_TIMEOUT"]
    siege = _Siege(lab, application, bound)
    await siege.prepare()
    for name, trouble in {"full": _locked, "2 s latency": _slow, "half-open": _half_open, "silent": _silent}.items():
        lab.say(name)
        await siege.lay(name, trouble)
    await siege.compare()
    await siege.end()
    return siege.outcome


class _Siege:
    """Many clients, who ask while there is trouble and after it."""

    def __init__(self, lab: Lab, application: Application, bound: float) -> None:
        self.outcome = Outcome({"stated time": f"{bound:.0f} s"})
        self._lab = lab
        self._application = application
        self._bound = bound
        self._clients: list[Client] = []
        self._descriptors = 0  # but for the pools'

    async def prepare(self) -> None:
        """Fill the pools, and note what that takes."""
        account = await self._application.register()
        self._clients = [Client(self._application.port, account.token) for _ in range(_CLIENTS)]
        for _ in range(3):
            await asyncio.gather(*map(self._ask, self._clients))
        self._descriptors = self._other_descriptors()

    async def lay(self, name: str, trouble: Callable[[Lab], AbstractAsyncContextManager[None]]) -> None:
        """Ask during the trouble, and then until everybody is answered well again."""
        async with trouble(self._lab):
            answers = await asyncio.gather(*map(self._ask, self._clients))
        statuses = Counter(status for status, _ in answers)
        slowest = max(seconds for _, seconds in answers)
        self.outcome.require(statuses.keys() <= {200, 503}, f"{name}: answered {dict(statuses)}")
        self.outcome.require(slowest <= self._bound + _GRACE_SECONDS, f"{name}: an answer took {slowest:.1f} s")
        recovery = await self._recovery(name)
        self.outcome.counts[name] = (
            f"{statuses[503]} of {_CLIENTS} got 503, in {slowest:.1f} s; well after {recovery:.1f} s"
        )

    async def compare(self) -> None:
        """Compare what is held now with what was held at first; tries to connect may still be under way for a while."""
        await asyncio.sleep(self._bound)
        sockets = self._lab.proxy.connections(POOLED)
        self.outcome.counts["connections at the end"] = f"{sockets} of {WORKERS * _POOL_SIZE} allowed"
        self.outcome.require(sockets <= WORKERS * _POOL_SIZE, f"{sockets} connections are open at the end")
        more = self._other_descriptors() - self._descriptors
        self.outcome.require(more <= WORKERS, f"{more} more descriptors are open than at first")

    async def end(self) -> None:
        """Ask the application to end while the database is silent."""
        async with _silent(self._lab):
            started = time.monotonic()
            code = await self._application.stop()
            self.outcome.counts["asked to end while silent"] = f"ended after {time.monotonic() - started:.1f} s"
        self.outcome.require(code == 0, f"silent: asked to end, it ended with {code}")

    def _other_descriptors(self) -> int:
        """Count the workers' open files and sockets without the pools' connections, which come and go."""
        return self._application.descriptors - self._lab.proxy.connections(POOLED)

    async def _recovery(self, name: str) -> float:
        started = time.monotonic()
        while time.monotonic() - started < _RECOVERY_SECONDS:
            answers = await asyncio.gather(*map(self._ask, self._clients))
            if all(status == 200 for status, _ in answers):
                return time.monotonic() - started
        self.outcome.failures.append(f"{name}: not well again after {_RECOVERY_SECONDS} s")
        return _RECOVERY_SECONDS

    async def _ask(self, client: Client) -> tuple[int, float]:
        """Return the status, 0 where the connection broke, and the seconds that it took."""
        started = time.monotonic()
        try:
            status = (await client.ask("GET", "/v1/tasks", within_seconds=10 * self._bound)).status
        except Lost:
            status = 0
        return status, time.monotonic() - started


@asynccontextmanager
async def _locked(lab: Lab) -> AsyncIterator[None]:
    """Hold every statement up, so that the pools are empty."""
    async with lab.cluster.holding("LOCK TABLE todo.tasks IN ACCESS EXCLUSIVE MODE"):
        yield


@asynccontextmanager
async def _slow(lab: Lab) -> AsyncIterator[None]:
    lab.proxy.latency_seconds = 2
    try:
        yield
    finally:
        lab.proxy.latency_seconds = 0


@asynccontextmanager
async def _half_open(lab: Lab) -> AsyncIterator[None]:
    """Nothing passes on the connections of now, for ever; new ones are well."""
    lab.proxy.freeze()
    yield


@asynccontextmanager
async def _silent(lab: Lab) -> AsyncIterator[None]:
    """Every connection is lost, and whoever connects is accepted and never answered."""
    lab.proxy.is_silent = True
    lab.proxy.drop()
    try:
        yield
    finally:
        lab.proxy.is_silent = False
