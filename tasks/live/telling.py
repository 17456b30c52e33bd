"""What one stream tells, block by block."""

import random

from tasks.live.streams import Stream
from tasks.queries import live
from tasks.queries.feed import SyncExpired
from todoproject.database.errors import DatabaseError
from todoproject.http.streams import Blocks, block

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
        while await stream.news.wait() and not stream.has_left:
            stream.news.clear()  # before the read: what happens meanwhile is read, too, or wakes us again
            page = await stream.reads.page(stream.position)
            for event in page.events:
                yield block(event.kind, event.data, event.cursor)
            stream.position = page.position
            if stream.is_ending:
                return
            if page.has_more:
                stream.news.set()
    except SyncExpired:
        yield block("sync-expired", b"{}")
    except DatabaseError:  # away, or the token has ended
        return
