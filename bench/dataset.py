"""The data: users and their tasks, the same for every peer, as lines that PostgreSQL's COPY reads."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from accounts import tokens

PRIORITIES = ("none", "low", "medium", "high", "urgent")
_VERBS = (
    "Buy Call Write Fix Plan Review Send Order Clean Book Pay Renew Prepare Return Update Check Pick Cancel".split()
)
# Each noun is in about one title of forty: a search finds a few tasks of a user, as searches do.
NOUNS = (
    "milk report invoice tickets kitchen garden bicycle insurance contract slides dentist passport birthday "
    "backup server budget photos printer letter sofa curtains recipe taxes newsletter meeting proposal roof "
    "keys heating battery library subscription camera tent lamp bookshelf filter router calendar"
).split()
_DETAILS = (
    "before the weekend, for Mia, with the team, at the office, after lunch, in the morning, once again, for the new "
    "flat, from the shop around the corner, and tell Sam, if it is not too late, as last year, without a rush"
).split(", ")
# A day in the past, so that what the load creates is newer than all of it.
_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_YEAR_SECONDS = 365 * 86_400

USER_COLUMNS = "number, id, email, token, digest, key"
TASK_COLUMNS = (
    "key, id, user_id, place, title, description, is_completed, completed_at, priority, due_on, due_at, created_at, "
    "updated_at, deleted_at"
)
_NULL = r"\N"


@dataclass(frozen=True)
class Sizes:
    """How many rows there are."""

    users: int
    tasks: int


def users(sizes: Sizes) -> Iterator[str]:
    """Yield a line for each user. All but the secrets is the same at every call."""
    return _lines(_users(_owners(sizes), random.Random(2)))


def tasks(sizes: Sizes) -> Iterator[str]:
    """Yield a line for each task, in the order of their creation. They are the same at every call."""
    return _lines(_tasks(sizes.tasks, _owners(sizes), random.Random(3)))


def _owners(sizes: Sizes) -> list[UUID]:
    chance = random.Random(1)
    return [_uuid7(_NOW - timedelta(seconds=_YEAR_SECONDS), chance) for _ in range(sizes.users)]


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    return ("\t".join(map(str, row)) + "\n" for row in rows)


def _users(ids: list[UUID], chance: random.Random) -> Iterator[tuple[object, ...]]:
    for number, user_id in enumerate(ids):
        token = tokens.generate()
        digest = rf"\\x{tokens.digest(token).hex()}"
        yield number, user_id, f"user{number}@example.com", token, digest, f"{chance.getrandbits(160):040x}"


def _tasks(count: int, owners: list[UUID], chance: random.Random) -> Iterator[tuple[object, ...]]:
    """Yield tasks in the order of their creation, the owners taking turns, so that nobody's rows lie side by side.

    A task's place is its number among its owner's tasks, from 1.
    """
    for number in range(count):
        created = _NOW - timedelta(seconds=_YEAR_SECONDS * (1 - number / count))
        changed = created + timedelta(seconds=chance.random() * 86_400 * 14)
        is_completed, is_deleted, due = chance.random() < 0.55, chance.random() < 0.05, chance.random()
        moment = created + timedelta(days=chance.random() * 60)
        yield (
            _uuid7(created, chance),
            _uuid7(created, chance),
            owners[number % len(owners)],
            number // len(owners) + 1,
            _title(chance),
            _description(chance) if chance.random() < 0.3 else "",
            is_completed,
            changed if is_completed else _NULL,
            chance.choices(range(5), (50, 10, 20, 15, 5))[0],
            moment.date() if due < 0.4 else _NULL,
            moment if due > 0.9 else _NULL,
            created,
            changed,
            changed if is_deleted else _NULL,
        )


def _title(chance: random.Random) -> str:
    return f"{chance.choice(_VERBS)} the {chance.choice(NOUNS)} {chance.choice(_DETAILS)}"


def _description(chance: random.Random) -> str:
    return ". ".join(_title(chance) for _ in range(chance.randint(1, 4)))


def _uuid7(moment: datetime, chance: random.Random) -> UUID:
    """Make a version 7 UUID (RFC 9562, section 5.7): milliseconds, then random bits."""
    bits = int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | chance.getrandbits(12) << 64
    return UUID(int=bits | 0b10 << 62 | chance.getrandbits(62))
