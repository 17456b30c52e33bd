"""The streams that are open in this process: how many, whose, and when each has something to tell.

A write of this process wakes its owner's streams at once, its sibling workers are told by the supervisor. What anybody
else writes is found by one query for all of them every LIVE_POLL_SECONDS; it also finds the tokens that have ended.
Where no stream is open nothing is asked.
"""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeVar

from django.conf import settings

from tasks.live import reads
from tasks.queries import live
from tasks.queries.cursors import Position
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import DatabaseError
from todoproject.http.problems import TOO_MANY_STREAMS, UNAVAILABLE, Problem
from todoproject.observability import metrics

_Key = TypeVar("_Key")

MOST_OF_ACCOUNT = 10
# Without a poll for changes there is still one for tokens that were revoked elsewhere.
_CHECK_SECONDS = 60.0


class Stream:
    """An open stream. What it has to tell is one flag: however much happens, a slow reader makes nobody hold it."""

    def __init__(self, credentials: Credentials, position: Position) -> None:
        self.credentials, self.position = credentials, position
        self.reads = reads.of(credentials)
        self.news = asyncio.Event()
        self.is_ending = self.has_left = False
        self._lifetime: asyncio.TimerHandle | None = None

    @property
    def owner(self) -> str:
        return self.position.user_id

    @property
    def change_no(self) -> int:
        """The number up to which it has told."""
        return int(self.position.keys[0])

    def begin(self, seconds: float) -> None:
        """End after so many seconds at the latest; after none, with what it has to tell now."""
        self.is_ending = seconds <= 0
        if not self.is_ending:
            self._lifetime = asyncio.get_running_loop().call_later(seconds, self.end)

    def wake(self) -> None:
        """Let it look for what has happened until now."""
        self.reads.renew()
        self.news.set()

    def end(self) -> None:
        """End after what it is telling."""
        self.is_ending = True
        self.news.set()

    def leave(self) -> None:
        """End at once: there is nobody any more to tell something."""
        self.has_left = True
        self.end()

    def forget(self) -> None:
        """Let go of what would keep it in memory."""
        if self._lifetime is not None:
            self._lifetime.cancel()


class Streams:
    """All open streams of one process."""

    def __init__(self) -> None:
        self._of: dict[str, set[Stream]] = {}
        self._of_token: dict[bytes, set[Stream]] = {}
        self._count = 0
        self._is_closed = False
        self._polling: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        return self._count

    def refuse(self, owner: str) -> None:
        """Raise a Problem where this account, or this process, has as many as it may."""
        if len(self._of.get(owner, ())) >= MOST_OF_ACCOUNT:
            raise Problem(TOO_MANY_STREAMS, TOO_MANY_STREAMS.description, headers={"Retry-After": "15"})
        if self._count >= settings.MAX_STREAMS or self._is_closed:
            raise Problem(UNAVAILABLE, "This server has as many streams as it may.", headers={"Retry-After": "5"})

    def add(self, stream: Stream) -> None:
        """Count a stream, which begins to live. Raises Problem as `refuse` does."""
        self.refuse(stream.owner)
        stream.begin(settings.STREAM_LIFETIME)
        self._of.setdefault(stream.owner, set()).add(stream)
        self._of_token.setdefault(stream.credentials.digest, set()).add(stream)
        self._counted(1)
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())

    def remove(self, stream: Stream) -> None:
        """Forget a stream; with the last one the polling ends."""
        if stream not in self._of.get(stream.owner, ()):
            return
        stream.forget()
        _discard(self._of, stream.owner, stream)
        _discard(self._of_token, stream.credentials.digest, stream)
        self._counted(-1)
        if self._count == 0 and self._polling is not None:
            self._polling.cancel()
            self._polling = None

    def wake(self, owners: Iterable[str]) -> None:
        """Let the streams of these owners look."""
        for owner in owners:
            for stream in self._of.get(owner, ()):
                stream.wake()

    def close(self, seconds: float) -> None:
        """Open none any more, and end those that are, spread over some seconds: so they do not return all at once."""
        self._is_closed = True
        for stream in self._all():
            loop = asyncio.get_running_loop()
            loop.call_later(random.uniform(0, seconds), stream.end)  # noqa: S311 -- no secret

    def _all(self) -> list[Stream]:
        return [stream for own in self._of.values() for stream in own]

    def _counted(self, change: int) -> None:
        self._count += change
        metrics.store.put("streams", self._count)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(settings.LIVE_POLL_SECONDS or _CHECK_SECONDS)
            with suppress(DatabaseError):  # the streams' own reads will tell; the next look may find it there again
                await self._look()

    async def _look(self) -> None:
        """Wake those who have not heard of what was written elsewhere, and end those whose token has ended."""
        seen = {digest: next(iter(own)).reads.change_no for digest, own in self._of_token.items()}
        for digest, change_no in (await live.news(seen)).items():
            for stream in [*self._of_token.get(digest, ())]:
                if change_no is None:
                    stream.end()
                    continue
                stream.reads.change_no = change_no
                if stream.change_no != change_no:
                    stream.wake()


def _discard(index: dict[_Key, set[Stream]], key: _Key, stream: Stream) -> None:
    index[key].discard(stream)
    if not index[key]:
        del index[key]


streams = Streams()
