"""Proof that the audit of webhooks has its eyes open, and that the receiver takes in what comes."""

import json
import time

import httpx
import pytest

from tasks import webhook_secrets
from tests.faults import hooks
from tests.faults.hooks import Arrival, Event, Hook, is_signed, listening

LOG = [Event(number, "task.created", f"task {number}") for number in (3, 4, 7)]
SECRET = webhook_secrets.shown(b"x" * 32)


def arrival(event: Event, at: float = 100.0) -> Arrival:
    return Arrival(at, f"id {event.change_no}", event, is_signed=True, is_taken=True)


def told(*arrivals: Arrival, deleted_at: float | None = None) -> str:
    hook = Hook("h", "alice", SECRET, deleted_at)
    for each in arrivals:
        hook.hear(each)
    return " ".join(hook.audit(LOG))


def test_nothing_is_wrong_where_each_event_has_come_once_or_again() -> None:
    first, second, third = map(arrival, LOG)
    assert told(first, second, third) == ""
    assert told(first, first._replace(is_taken=False), second, first, second, third) == ""
    assert told(first, deleted_at=100.2) == ""


@pytest.mark.parametrize(
    ("arrivals", "deleted_at", "words"),
    [
        ([0, 2], None, "1 of 3 events never came, the first of them 4"),
        ([0, 2, 1], None, "out of order"),
        ([0, 1, 2], 98.0, "2.00 s after the hook was deleted"),
    ],
)
def test_what_is_wrong_is_found(arrivals: list[int], deleted_at: float | None, words: str) -> None:
    assert words in told(*(arrival(LOG[number]) for number in arrivals), deleted_at=deleted_at)


def test_an_arrival_that_is_not_right_is_found() -> None:
    first, second, third = map(arrival, LOG)
    assert "event 3 is not signed right" in told(first._replace(is_signed=False), second, third)
    assert "the first of them 3" in told(first._replace(is_taken=False), second, third)
    assert "one to one" in told(first, first._replace(id="other"), second, third)
    assert "one to one" in told(first, second._replace(id=first.id), third)
    stranger = Event(8, "task.created", "task 8")
    assert "has not happened" in told(first, second, third, arrival(stranger))
    assert "has not happened" in told(first._replace(event=LOG[0]._replace(entity="task 4")), second, third)


def test_a_reminder_that_comes_early_is_found() -> None:
    reminder = arrival(Event(9, "task.reminder", "task 3"), at=100.0)

    assert hooks.early([arrival(LOG[0], at=1.0), reminder], {"task 3": 99.9, "task 4": 200.0}) == []
    assert hooks.early([arrival(LOG[0], at=1.0), reminder], {"task 3": 102.0}) == [
        "the reminder of task 3 came 2.00 s early"
    ]


async def test_the_receiver_keeps_what_comes_and_whether_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_BROKEN_SHARE", 1.0)
    body = json.dumps({"type": "task.created", "data": {"change_no": 3, "id": "task 3"}}).encode()
    now = int(time.time())
    headers = {
        "webhook-id": "id 3",
        "webhook-timestamp": str(now),
        "webhook-signature": webhook_secrets.signature([b"x" * 32], "id 3", now, body),
    }
    async with listening() as ears, httpx.AsyncClient() as client:
        ears.hooks["/1"] = hook = Hook("h", "alice", SECRET)
        answers = [await client.post(ears.url("/1"), content=body, headers=headers) for _ in range(2)]
        await client.post(ears.url("/1"), content=body + b" ", headers=headers)
    assert [answer.status_code for answer in answers] == [500, 200]
    assert [(one.event, one.is_signed, one.is_taken) for one in hook.arrivals] == [
        (LOG[0], True, False),
        (LOG[0], True, True),
        (LOG[0], False, True),
    ]
    assert not is_signed(headers | {"webhook-timestamp": str(now - 400)}, body, SECRET)
    assert Hook("h", "alice", SECRET).audit(LOG) == ["hook h: 3 of 3 events never came, the first of them 3"]
