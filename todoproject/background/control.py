"""What a supervisor and its processes say to each other, over a socket: a byte each."""

import re
from collections.abc import Iterable

READY, BEAT = b"+", b"."  # of a process: it serves; it still lives
ASKED, WROTE = b"*", b"!"  # of a worker, and handed on to the background process: somebody has asked; has written
RETIRE = b"-"  # to a worker: end, others of ours go on

# Behind WROTE may stand whose write it was: an id in hexadecimal, which holds none of the words.
_OWNERS = re.compile(rb"!([0-9a-f]{32})")
# Of one message: the socket between two processes takes it whole.
MOST_OWNERS = 100


def wrote(owners: Iterable[str]) -> bytes:
    """Return the words that tell of writes of these owners."""
    return b"".join(WROTE + owner.replace("-", "").encode() for owner in owners)


def owners(said: bytes) -> list[str]:
    """Return the owners that are named; one whose name is cut in two by the reading is found by the next poll."""
    found = [match.decode() for match in _OWNERS.findall(said)]
    return [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in found]
