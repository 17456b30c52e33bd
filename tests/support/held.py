"""A guard: nobody hashes a password or hands over a mail with a connection in hand.

A connection that waits for a hash is one that all others lack, with whatever rows it has locked; a mail that leaves
before its commit may tell of what has not happened. An error inside of a request is only a 500 there, so what was seen
is also noted, and fails the test at its end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from accounts import passwords
from todoproject.database.client.pool import pool
from todoproject.mail.outbox import Outbox


@contextmanager
def guarded() -> Iterator[list[str]]:
    """Watch, and return the list that what was seen is added to."""
    seen: list[str] = []
    hash_off_the_loop, post = passwords._off_the_loop, Outbox.post

    def check(what: str) -> None:
        if pool.is_held():
            seen.append(what)
            raise AssertionError(what)

    async def hashed(*arguments: Any) -> Any:
        check("a password is hashed inside a transaction")
        return await hash_off_the_loop(*arguments)

    def posted(outbox: Outbox, mail: Any) -> None:
        check("a mail leaves before its commit")
        post(outbox, mail)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_off_the_loop", hashed)
        patch.setattr(Outbox, "post", posted)
        yield seen
