"""What one stream tells, block by block."""

import asyncio
import random
from contextlib import suppress

from tasks.live.streams import Stream
from tasks.queries import live
from tasks.queries.feed import SyncExpired
from todoproject.database.errors import DatabaseError
from todoproject.http.streams import Blocks, block

HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b":\n\n"
# How long a client waits before it comes back, and how much longer at most: others have lost theirs, too.
_RETRY_MILLISECONDS = (1000, 5000)


async def blocks(stream: Stream) -> Blocks:
    """Yield where to go on from, what has happened since, then what happens.

    It ends when the stream is told to, with the token, and where the database cannot be asked: the client comes back,
    and goes on where it was.
    """
    stream.wake()  # something may have happened since its position was read, and woken nobody
    try:
        yield b"id: %b\n\n" % live.cursor(stream.position)
        yield b"retry: %d\n\n" % random.randint(*_RETRY_MILLISECONDS)  # noqa: S311 -- no secret
        while True:
            while stream.news.is_set():
                stream.news.clear()  # before the read: what happens meanwhile is read, too, or wakes us again
                page = await live.page(stream.credentials, stream.position)
                for event in page.events:
                    yield block(event.kind, event.data, event.cursor)
                stream.position = page.position
                if page.has_more:
                    stream.news.set()
                if stream.is_ending:
                    return
            if stream.is_ending:
                return
            if not await _news(stream):
                yield _HEARTBEAT
    except SyncExpired:
        yield block("sync-expired", b"{}")
    except DatabaseError:  # away, or the token has ended
        return


async def _news(stream: Stream) -> bool:
    """Wait for news, until it is time to say that we are still there; tell whether there are any."""
    left = stream.ends_at - asyncio.get_running_loop().time()
    with suppress(TimeoutError):
        async with asyncio.timeout(min(HEARTBEAT_SECONDS, left)):
            await stream.news.wait()
    return stream.news.is_set() or stream.is_ending
