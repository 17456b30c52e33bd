"""How many connections one owner's writes may hold.

Each of them locks the owner's row, so all but one only wait: eight that wait would shut everybody else out of a pool.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType

from todoproject.database.client.statement import Credentials
from todoproject.database.errors import DatabaseUnavailable
from todoproject.observability import metrics

_UNKNOWN = ""  # whose token has not been seen here yet: together they have one share
_REMEMBERED = 10_000  # tokens; what is forgotten is unknown again

waited: ContextVar[float] = ContextVar("waited", default=0.0)  # in seconds, before a connection was asked for


class OwnerShares:
    """The shares of one pool: `limit` connections for each owner, whatever tokens their requests come with."""

    def __init__(self, limit: int, patience: Callable[[], float]) -> None:
        self._limit, self._patience = limit, patience
        self._owners: dict[bytes, str] = {}  # by the token's digest
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        """How many requests wait for others of their owner."""
        return sum(map(len, self._waiting.values()))

    def of(self, credentials: Credentials | None) -> "_Share":
        """Return a context that holds one connection's share; without credentials it takes none."""
        return _Share(self, credentials)

    def learn(self, credentials: Credentials) -> None:
        """Remember whose token it is, once PostgreSQL has said so."""
        if credentials.user_id is not None and credentials.digest not in self._owners:
            if len(self._owners) >= _REMEMBERED:
                del self._owners[next(iter(self._owners))]
            self._owners[credentials.digest] = credentials.user_id

    async def take(self, credentials: Credentials) -> str:
        """Take a share, waiting for it as long as for a connection; return whose. Raises DatabaseUnavailable."""
        owner = self._owners.get(credentials.digest, _UNKNOWN)
        held = self._held.get(owner, 0)
        if held < self._limit:
            self._held[owner] = held + 1
        else:
            await self._wait(owner)
        return owner

    def give_back(self, owner: str) -> None:
        """Hand a share on to whoever has waited for it longest."""
        for waiter in self._waiting.get(owner, ()):
            if not waiter.done():
                waiter.set_result(None)
                return
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]

    async def _wait(self, owner: str) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(owner, deque())
        queue.append(waiter)
        patience = self._patience() - waited.get()
        try:
            async with asyncio.timeout(patience):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():  # it was handed over in the moment in which we left
                self.give_back(owner)
            if not isinstance(error, TimeoutError):
                raise
            metrics.count("pool_timeout")
            raise DatabaseUnavailable(f"no turn within {patience:.0f} s: others write for the same owner") from None
        finally:
            queue.remove(waiter)
            if not queue:
                del self._waiting[owner]


class _Share:
    """What `OwnerShares.of` returns."""

    __slots__ = ("_credentials", "_owner", "_shares", "_token")

    def __init__(self, shares: OwnerShares, credentials: Credentials | None) -> None:
        self._shares, self._credentials = shares, credentials
        self._owner: str | None = None
        self._token: Token[float] | None = None

    async def __aenter__(self) -> None:
        if self._credentials is not None:
            started = time.perf_counter()
            self._owner = await self._shares.take(self._credentials)
            self._token = waited.set(waited.get() + time.perf_counter() - started)

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._owner is not None and self._token is not None and self._credentials is not None:
            waited.reset(self._token)
            self._shares.learn(self._credentials)
            self._shares.give_back(self._owner)
