"""What computing series may cost: 20 ms a rule, 200 ms a request, of the worker's own time. Beyond it is a refusal."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.recurrence import budget
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.tasks.test_batch import batch
from tests.tasks.test_series import act, now, patch, series

SLOW = {"rule": "FREQ=YEARLY;INTERVAL=5"}  # one that has to be looked at


def clock(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Let each look at the clock find so much more time gone."""
    ticks = itertools.count()
    monkeypatch.setattr(budget, "time", SimpleNamespace(thread_time=lambda: next(ticks) * seconds))


def reason(answer: Any) -> str:
    errors = assert_problem(answer, 422)["errors"]
    assert errors[0]["code"] == "rule"
    return str(errors[0]["detail"])


async def test_rule_whose_next_day_takes_too_long_is_refused_wherever_it_is_computed(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, plain = await series(alice), await alice.task(due_on="2027-01-04")
    clock(monkeypatch, seconds=0.025)

    for answer in (
        await act(alice, task, "complete", occurrence=task["occurrence"]),
        await act(alice, task, "skip", occurrence=task["occurrence"]),
        await alice.http.post("/v1/tasks", json={"title": "x", "due_on": "2027-01-04", "recurrence": SLOW}),
        await patch(alice, plain, recurrence=SLOW),
        await batch(alice, {"op": "complete", "id": task["id"], "data": {"occurrence": task["occurrence"]}}),
    ):
        assert "takes too long to find" in reason(answer)
    assert [await now(alice, each) for each in (task, plain)] == [task, plain]
    # Of what is only shown, there is as much as could be found.
    shown = await alice.http.get(f"/v1/tasks/{task['id']}/occurrences")
    assert (shown.status_code, shown.json()) == (200, {"items": ["2027-01-04"]})


async def test_series_of_one_request_have_their_time_together(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [await series(alice) for _ in range(25)]
    operations = [{"op": "complete", "id": task["id"], "data": {"occurrence": task["occurrence"]}} for task in tasks]
    clock(monkeypatch, seconds=0.006)  # two looks at each

    together = await batch(alice, *operations)

    assert "fewer of them" in reason(together)
    assert 10 <= together.json()["operation"] < 25
    assert [await now(alice, task) for task in tasks[:2]] == tasks[:2]
    results = (await batch(alice, *operations, atomic=False)).json()["results"]
    statuses = [result["status"] for result in results]
    assert statuses == sorted(statuses)
    assert (statuses[0], statuses[-1]) == (200, 422)
    assert (await now(alice, tasks[0]))["occurrence"] == "2027-01-05"
    assert await now(alice, tasks[-1]) == tasks[-1]
    # What is left is done by the next request, which has its own time.
    rest = await batch(alice, *operations[statuses.count(200) :])
    assert rest.status_code == 200


async def test_new_series_of_one_request_have_their_time_together(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {"op": "create", "data": {"title": "x", "due_on": "2027-01-04", "recurrence": SLOW}}
    clock(monkeypatch, seconds=0.006)

    assert "fewer of them" in reason(await batch(alice, *[new] * 30))
    assert (await batch(alice, *[new] * 3)).status_code == 200
