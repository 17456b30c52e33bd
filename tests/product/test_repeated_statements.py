"""What is sent once more when its connection is lost: never what would be done twice."""

import gc
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest

from tests.support.people import Person
from tests.support.statements import collect
from todoproject.database.client.statement import Statement

PACKAGES = ("accounts.queries", "tasks.queries", "todoproject.database.client", "todoproject.monitoring")

# They set what is so already, under a condition that only the first of two meets. What leases, counts or inserts is not
# here: nobody would know of the first one.
SAFE_WRITES = {
    "tasks.queries.reminders._NOTE_MAIL",
    "tasks.queries.webhook_notices._NOTE",
    "tasks.queries.webhook_outcomes._GIVE_UP",
    "tasks.queries.webhook_outcomes._PASS_OVER",
}
# Locks of a transaction, which are gone with its connection.
UNSAFE_READS = {"tasks.queries.reminders._LOCK_OWNERS"}


def _statements() -> Iterator[tuple[str, Statement]]:
    """Yield every statement that stands outside a function, by the name that it is bound to."""
    for package in PACKAGES:
        for info in walk_packages(import_module(package).__path__, f"{package}."):
            for name, value in vars(import_module(info.name)).items():
                if isinstance(value, Statement):
                    yield f"{info.name}.{name}", value


def test_of_what_writes_only_the_harmless_is_sent_once_more() -> None:
    found = dict(_statements())

    assert len(found) > 30
    assert {name for name, it in found.items() if it.writes and it.repeatable} == SAFE_WRITES
    assert {name for name, it in found.items() if not it.writes and not it.repeatable} == UNSAFE_READS


async def test_whatever_writes_is_sent_between_begin_and_commit(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever continues a transaction is within one already."""
    texts = {query for _, query in await collect(alice, monkeypatch)}
    made = [it for it in gc.get_objects() if type(it) is Statement and it.query.text.decode() in texts]

    writing = [it for it in made if re.search(rb"\b(INSERT INTO|UPDATE \S+ SET|DELETE FROM)\b", it.query.text)]
    alone = [it for it in writing if it.is_fenced or it.role is None]

    assert len(alone) > 20
    assert [it.query.text for it in alone if not it.writes] == []
