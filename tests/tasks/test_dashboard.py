"""The dashboard: right numbers, drawn without scripts, for those who may see them."""

import uuid
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from tasks.admin import statistics
from tasks.models import Reminder
from tests.support.staff import editor, make_task, make_token, make_user, page, root_client
from todoproject.admin import charts

pytestmark = pytest.mark.usefixtures("orm")


def test_what_happens_is_in_the_figures() -> None:
    before = statistics.read()
    owner = make_user()
    make_task(owner, is_completed=True)
    make_task(owner, due_on=date(2020, 1, 1))
    make_task(owner, due_on=datetime.now(UTC).date())
    make_task(owner, due_on=date(2020, 1, 1), deleted_at=timezone.now())
    make_token(owner)
    make_token(owner, revoked_at=timezone.now())
    make_token(owner, expires_at=timezone.now() - timedelta(days=1))
    make_token(make_user(is_active=False))
    after = statistics.read()
    grown = {
        name: getattr(after, name) - getattr(before, name)
        for name in ("users", "new_users", "tasks", "open", "overdue", "live_tokens")
    }
    assert grown == {"users": 2, "new_users": 2, "tasks": 4, "open": 2, "overdue": 1, "live_tokens": 1}
    assert after.created.counts[-1] - before.created.counts[-1] == 4
    assert after.completed.counts[-1] - before.completed.counts[-1] == 1
    assert after.created.first == datetime.now(UTC).date() - timedelta(days=29)
    assert after.database_bytes > after.task_bytes > 0


def test_a_day_has_what_was_made_on_it() -> None:
    today = datetime.now(UTC).date()
    before = statistics.read()
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC) - timedelta(days=3)
    make_task(make_user(), key=uuid.UUID(int=int(noon.timestamp() * 1000) << 80 | uuid.uuid4().int >> 48))
    after = statistics.read()
    assert [new - old for new, old in zip(after.created.counts, before.created.counts, strict=True)] == [0] * 26 + [
        1,
        *[0] * 3,
    ]


def test_people_see_what_they_may_see() -> None:
    text = page(editor("view_task").get("/admin/"))
    assert "Overdue" in text
    assert "Active tokens" not in text
    assert "Failed logins" not in text
    text = page(editor("view_user").get("/admin/"))
    assert "new in 30 days" in text
    assert "Tasks created" not in text
    assert "Failed logins" in page(root_client().get("/admin/"))


def test_the_next_reminder_is_told_and_those_that_are_late() -> None:
    def tile() -> str:
        statistics.kept._figures = None
        return page(editor("view_task").get("/admin/")).replace("\xa0", " ")

    Reminder.objects.all().delete()  # others' may come first
    assert "none is set" in tile()
    at = datetime.now(UTC) + timedelta(days=3, hours=2, minutes=30)
    task = make_task(make_user(), reminders=[{"at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}])
    shown = tile()
    assert "Next reminder" in shown
    assert "3 days, 2 hours" in shown
    assert "Reminders overdue" not in shown
    Reminder.objects.filter(user_id=task.user_id).update(fires_at=timezone.now() - timedelta(hours=1))
    assert "is the background process running?" in tile()


def test_figures_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise DatabaseError("canceling statement due to statement timeout")

    monkeypatch.setattr(statistics, "kept", SimpleNamespace(get=fail))
    assert "The lists work all the same" in page(root_client().get("/admin/"))


@pytest.mark.parametrize(
    ("counts", "top"), [([0, 0], "2"), ([1], "2"), ([5], "10"), ([11], "20"), ([99_000], "100k"), ([1_500_000], "2M")]
)
def test_a_chart_has_room_for_its_highest_bar(counts: list[int], top: str) -> None:
    drawn = charts.bars("Tasks", date(2026, 1, 31), counts)
    assert f">{top}</text>" in drawn
    assert drawn.count("<rect") == len(counts)
    assert "style=" not in drawn
    assert f'aria-label="Tasks: {sum(counts):,} in {len(counts)} days' in drawn


def test_a_chart_names_what_it_draws_safely() -> None:
    assert "<script" not in charts.bars("<script>", date(2026, 1, 31), [1])
