"""Proof that the audit of streams has its eyes open: what is missed, late, doubled or somebody else's is told."""

import json

import pytest

from tests.faults.told import Told, Written

ALICE, BOB = "0199a", "0199b"
WRITTEN = [Written(number, number * 10) for number in range(3, 9)]
IDS = ["01a226f0-8912-7e13-b6a5-4e1b1a3d5c70", "01a226f0-8912-7e13-b6a5-4e1b1a3d5c71"]


def block(written: Written, owner: str = ALICE, *, of_task: str = IDS[0]) -> bytes:
    task = {"id": of_task, "list_id": None, "title": f"{owner} {written.ordinal}", "version": 1}
    item = {"kind": "task", "change_no": written.change_no, "id": IDS[0], "deleted": False, "task": task}
    return f"event: task\nid: c{written.change_no}\ndata: {json.dumps(item, separators=(',', ':'))}\n\n".encode()


def told(*blocks: bytes) -> Told:
    listener = Told(ALICE)
    for one in (b"id: begin\n\n", b"retry: 1000\n\n", *blocks, b":\n\n"):
        listener.take(one)
    return listener


def test_nothing_is_wrong_with_who_was_told_everything() -> None:
    listener = told(*map(block, WRITTEN))

    assert listener.audit(WRITTEN) == []
    assert (len(listener), listener.cursor, listener.strangers) == (6, b"c8", 0)


@pytest.mark.parametrize("missing", [0, 3, 5])
def test_what_was_missed_is_told(missing: int) -> None:
    listener = told(*(block(it) for it in WRITTEN if it != WRITTEN[missing]))

    assert listener.audit(WRITTEN) == [
        f"change {WRITTEN[missing].change_no}, the task {WRITTEN[missing].ordinal}, was missed"
    ]


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4, 5], [0, 1, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 0]])
def test_what_comes_late_or_twice_is_told(order: list[int]) -> None:
    assert "came after" in told(*(block(WRITTEN[place]) for place in order)).audit(WRITTEN)[0]


def test_what_is_somebody_elses_is_told() -> None:
    for stranger in (block(Written(9, 90), BOB), block(Written(9, 90), of_task=IDS[1])):
        listener = told(*map(block, WRITTEN), stranger)
        assert listener.strangers == 1
        assert "was told to" in listener.audit([*WRITTEN, Written(9, 90)])[0]


def test_what_is_no_task_is_told() -> None:
    assert "no task" in told(b'event: task\ndata: {"change_no":3,"id":"x"}\n\n').audit([])[0]
    assert told(block(WRITTEN[0])).audit([]) == ["change 3, the task 30, was never written"]
