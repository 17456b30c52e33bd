"""An action on all that match is done in steps, so that the page can say how far it is."""

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tasks.models import Task
from tests.support.staff import make_task, make_user, page, seen
from todoproject.admin import paginator, steps

LIST = "/admin/tasks/task/"


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> tuple[str, User]:
    """Five tasks that a word finds, and two at a time."""
    monkeypatch.setattr(steps, "ROWS", 2)
    word, owner = f"w{uuid.uuid4().hex[:8]}", make_user()
    for number in range(5):
        make_task(owner, f"Errand {number} {word}")
    return f"{LIST}?q={word}", owner


def take(client: Client, where: str, action: str, number: str | int, **more: str) -> Any:
    first = Task.objects.filter(title__contains=where.partition("=")[2]).order_by("pk")[0]
    form = {"action": action, "index": "0", "_selected_action": [str(first.pk)], "select_across": "1"}
    return client.post(where, {**form, "confirmed": "1", **more}, headers={"X-Step": str(number)})


def is_done(owner: User) -> list[bool]:
    tasks = Task.objects.filter(user=owner).order_by("pk")
    return [task.is_completed or task.deleted_at is not None for task in tasks]


@pytest.mark.parametrize(("action", "told"), [("complete", "5 tasks completed."), ("remove", "5 tasks moved to the")])
def test_each_step_says_how_far_it_is_and_the_last_tells_of_all(
    staff: Client, many: tuple[str, User], action: str, told: str
) -> None:
    where, owner = many
    answers = [take(staff, where, action, number).json() for number in (1, 2, 3)]

    assert [(answer["looked"], answer["is_last"]) for answer in answers] == [(2, False), (4, False), (5, True)]
    assert is_done(owner) == [True] * 5
    text = page(staff.get(answers[-1]["next"]))
    assert told in text
    assert "None of the selected" not in text
    if action == "remove":
        assert "5 tasks restored." in page(staff.post("/admin/tasks/task/undo/", follow=True))
        assert is_done(owner) == [False] * 5


def test_who_stops_keeps_what_is_done_and_is_told_of_it(staff: Client, many: tuple[str, User]) -> None:
    where, owner = many
    take(staff, where, "complete", 1)
    answer = take(staff, where, "complete", "stop").json()

    assert (answer["looked"], answer["is_last"]) == (2, True)
    assert is_done(owner).count(True) == 2
    assert "2 tasks completed." in page(staff.get(answer["next"]))


def test_one_that_has_changed_since_it_was_shown_is_passed_over_once(staff: Client, many: tuple[str, User]) -> None:
    where, owner = many
    first = Task.objects.filter(user=owner).order_by("pk")[0]
    marks = seen(first)
    Task.objects.filter(pk=first.pk).update(priority=3)

    answers = [take(staff, where, "complete", number, **marks).json() for number in (1, 2, 3)]

    assert answers[-1]["is_last"]
    assert is_done(owner) == [False, True, True, True, True]
    text = page(staff.get(answers[-1]["next"]))
    assert "1 task changed meanwhile" in text
    assert "4 tasks completed." in text


def test_a_page_that_asks_has_a_bar_where_all_that_match_are_meant(staff: Client, many: tuple[str, User]) -> None:
    where, owner = many
    task = Task.objects.filter(user=owner)[0]
    form = {"action": "remove", "index": "0", "_selected_action": [str(task.pk)], **seen(task)}
    asked = page(staff.post(where, {**form, "select_across": "1"}))
    assert 'data-rows="5"' in asked
    assert '<progress max="5"' in asked
    assert "<progress" not in page(staff.post(where, form))


def test_no_step_goes_on_from_nothing_or_where_no_list_offers_it(staff: Client, many: tuple[str, User]) -> None:
    where, owner = many
    take(staff, where, "complete", 2)  # nothing was begun: all at once, as without the header

    assert is_done(owner) == [True] * 5


def test_steps_end_with_what_may_be_changed_at_once(
    staff: Client, many: tuple[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    where, owner = many
    monkeypatch.setattr(steps, "MOST_COUNTED", 3)
    answers = [take(staff, where, "complete", number).json() for number in (1, 2)]

    assert [answer["is_last"] for answer in answers] == [False, True]
    assert is_done(owner).count(True) == 4
    assert paginator.MOST_COUNTED == 1_000
