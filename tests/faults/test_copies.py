"""Proof that the audit of copies has its eyes open: a change that is missed, late or somebody else's is told."""

import json
from typing import Any

import pytest

from tests.faults.application import Account
from tests.faults.copies import Change, Copy
from tests.faults.followers import Listener

LOG = [Change(3, "list", "home"), Change(4, "task", "tent"), Change(6, "task", "stove"), Change(9, "task", "gone")]
HELD: dict[tuple[str, str], Any] = {(change.kind, change.id): change._asdict() for change in LOG[:3]}


def item(change: Change) -> dict[str, Any]:
    document = HELD.get((change.kind, change.id))
    return change._asdict() | {"deleted": document is None, change.kind: document}


def page(*changes: Change, has_more: bool = False) -> dict[str, Any]:
    return {"items": [item(change) for change in changes], "next_cursor": "next", "has_more": has_more}


def told(*pages: dict[str, Any]) -> list[str]:
    copy = Copy()
    for number, one in enumerate(pages):
        copy.apply(one | {"has_more": number < len(pages) - 1})
    return copy.audit(HELD, LOG) + copy.audit_told(LOG)


def test_nothing_is_wrong_with_a_copy_that_was_told_everything() -> None:
    assert told(page(*LOG)) == []
    assert told(*(page(change) for change in LOG), page()) == []


@pytest.mark.parametrize("missing", LOG, ids=lambda change: change.id)
def test_a_change_that_was_missed_is_told(missing: Change) -> None:
    wrong = " ".join(told(page(*(change for change in LOG if change != missing))))

    assert f"change {missing.change_no} of {missing.kind} {missing.id} was missed" in wrong
    assert (f"{missing.id} is listed, and not in the copy" in wrong) == ((missing.kind, missing.id) in HELD)


def test_an_earlier_state_is_told() -> None:
    copy = Copy()
    copy.apply(page(*LOG))
    newer = Change(10, "task", "tent")
    wrong = copy.audit(HELD | {("task", "tent"): "changed"}, [newer])

    assert wrong[0] == "change 10 of task tent was missed"
    assert "listed as changed" in wrong[1]


@pytest.mark.parametrize("pages", [[[1, 0, 2, 3]], [[0, 2], [1, 3]], [[0, 1], [1, 2, 3]]])
def test_what_comes_out_of_order_or_twice_is_told(pages: list[list[int]]) -> None:
    assert any("out of order" in sentence for sentence in told(*(page(*(LOG[it] for it in one)) for one in pages)))


def test_what_is_none_of_the_owners_is_told() -> None:
    stranger = Change(5, "task", "stranger")

    assert told(page(*LOG[:2], stranger, *LOG[2:])) == [f"{stranger} was told, and is none of the owner's"]
    assert "none of the owner's" in told(page(*LOG[:3], Change(8, "task", "gone"), LOG[3]))[0]


def test_beginning_anew_drops_what_is_not_named_and_forgets_no_change() -> None:
    copy = Copy()
    purged = Change(2, "task", "purged")
    copy.apply(page(purged, *LOG))
    copy.things["task", "purged"] = "still here"
    assert copy.audit(HELD, LOG) == ["task purged is in the copy, and not listed"]

    copy.begin_anew()
    assert copy.cursor is None
    assert copy.apply(page(LOG[0], has_more=True))
    assert ("task", "purged") in copy.things
    copy.apply(page(*LOG[1:]))
    assert (copy.audit(HELD, LOG), copy.cursor, copy.restarts) == ([], "next", 1)

    copy.begin_anew()
    copy.apply(page(*LOG[:2], Change(5, "task", "stove"), LOG[3]))
    assert "change 5 came though 6 of the same thing was there" in copy.audit(HELD, LOG)


def test_what_a_stream_tells_is_applied_as_a_page_is() -> None:
    def copy_of(*changes: Change) -> Copy:
        listener = Listener(1, Account("alice", "token"))
        for block in (b"id: begin\n\n", b"retry: 1000\n\n", *map(event, changes), b":\n\n"):
            listener.take(block)
        return listener.copy

    def event(change: Change) -> bytes:
        return b"event: %b\nid: c%d\ndata: %b\n\n" % (
            change.kind.encode(),
            change.change_no,
            json.dumps(item(change)).encode(),
        )

    copy = copy_of(*LOG)
    assert (copy.audit(HELD, LOG), copy.audit_told(LOG), copy.cursor) == ([], [], "c9")
    assert copy_of().cursor == "begin"
    assert "change 6 of task stove was missed" in copy_of(LOG[0], LOG[1], LOG[3]).audit(HELD, LOG)
    assert "out of order" in copy_of(LOG[1], LOG[0], LOG[2], LOG[3]).audit(HELD, LOG)[0]
