"""What streams of one token read: once for all that have come to the same position.

Only of one token: each read passes the fence with it, so that nobody is told by the right of another.
"""

import asyncio
from weakref import WeakValueDictionary

from tasks.queries import live
from tasks.queries.cursors import Position
from todoproject.database.client.statement import Credentials

_Key = tuple[str, ...]


class Reads:
    """The reads of one token that are under way, by the position that they began at.

    `change_no` is the owner's last number at the last look at all tokens; -1: there was none.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.change_no = -1
        self._under_way: dict[_Key, asyncio.Task[live.Page]] = {}

    async def page(self, position: Position) -> live.Page:
        """Return what has happened behind a position. Raises what `live.page` does."""
        key = (position.user_id, *position.keys)
        reading = self._under_way.get(key)
        if reading is None:
            reading = self._under_way[key] = asyncio.create_task(live.page(self._credentials, position))
            reading.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(reading)  # others wait for it, too

    def renew(self) -> None:
        """Share none that has begun already: something has happened since, which it may not have seen."""
        self._under_way.clear()

    def _end(self, key: _Key, done: "asyncio.Task[live.Page]") -> None:
        if self._under_way.get(key) is done:
            del self._under_way[key]


_of_tokens: "WeakValueDictionary[bytes, Reads]" = WeakValueDictionary()


def of(credentials: Credentials) -> Reads:
    """Return the reads of a token; they last as long as somebody keeps them."""
    reads = _of_tokens.get(credentials.digest)
    if reads is None:
        reads = _of_tokens[credentials.digest] = Reads(credentials)
    return reads
