"""Many tasks edited at once, and the filters by what is somebody's own."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from tasks.models import Task
from tests.support.staff import act, make_list, make_task, make_user, page, seen

pytestmark = pytest.mark.usefixtures("orm")

LIST = "/admin/tasks/task/"


def edit(staff: Client, *tasks: Task, **fields: str) -> str:
    return act(staff, "tasks_task", "edit", *tasks, **{f"edit-{name}": value for name, value in fields.items()})


def now(*tasks: Task) -> list[Task]:
    return [Task.objects.get(pk=task.pk) for task in tasks]


def test_form_asks_with_the_number_and_offers_the_owners_lists(staff: Client) -> None:
    owner = make_user()
    home, foreign = make_list(owner, "Home"), make_list(make_user(), "Foreign")
    tasks = [make_task(owner) for _ in range(3)]

    form = {"action": "edit", "index": "0", "_selected_action": [str(task.pk) for task in tasks], **seen(*tasks)}
    text = page(staff.post(LIST, form))

    assert "Change 3 tasks? What is left empty stays as it is." in text
    assert f'value="{home.id}"' in text
    assert str(foreign.id) not in text
    assert all(f'value="{task.pk}"' in text for task in tasks)
    assert [task.version for task in now(*tasks)] == [1, 1, 1]
    assert "Choose what shall change." in edit(staff, *tasks)
    both = edit(staff, tasks[0], make_task(make_user()))
    assert "select tasks of one owner" in both
    assert str(home.id) not in both


def test_list_priority_due_and_labels_change_at_once_with_one_record_each(staff: Client) -> None:
    owner = make_user()
    home = make_list(owner, "Home")
    tasks = [make_task(owner, labels=["Old", "kept"]), make_task(owner, due_at="2027-01-01T08:00Z", description="x")]

    text = edit(
        staff,
        *tasks,
        list_id=str(home.id),
        priority="3",
        due_on="2027-02-03",
        add_labels="new one\r\nKEPT",
        remove_labels="old",
    )

    assert "2 tasks changed." in text
    for task in now(*tasks):
        assert (task.list_id, task.priority, task.due_on, task.due_at) == (home.id, 3, date(2027, 2, 3), None)
        (event,) = AuditEvent.objects.filter(object_id=str(task.pk))
        assert event.facts["done"] == "changed"
        assert {"labels", "list_id", "priority", "due_on"} <= {*event.facts["fields"]}
    assert [task.labels for task in now(*tasks)] == [["kept", "new one"], ["new one", "KEPT"]]
    assert [task.description for task in now(*tasks)] == ["", "x"]

    edit(staff, *now(*tasks), list_id="inbox", clear_due="on", priority="0")
    assert [(task.list_id, task.due_on, task.priority) for task in now(*tasks)] == [(None, None, 0)] * 2


def test_subtasks_go_along_and_one_alone_comes_to_the_top(staff: Client) -> None:
    owner = make_user()
    home, work = make_list(owner, "Home"), make_list(owner, "Work")
    top = make_task(owner, list_id=home.id)
    middle = make_task(owner, parent_id=top.id)
    low = make_task(owner, parent_id=middle.id)

    edit(staff, low, top, list_id=str(work.id))
    assert [(task.list_id, task.parent_id) for task in now(top, middle, low)] == [
        (work.id, None),
        (work.id, top.id),
        (work.id, middle.id),
    ]
    edit(staff, *now(middle, low), list_id="inbox")
    assert [(task.list_id, task.parent_id) for task in now(top, middle, low)] == [
        (work.id, None),
        (None, None),
        (None, middle.id),
    ]


def test_what_has_changed_meanwhile_is_left_alone_and_a_broken_rule_changes_nothing(staff: Client) -> None:
    owner = make_user()
    task, other = make_task(owner), make_task(owner, labels=[f"label {number}" for number in range(20)])
    shown = seen(task, other)
    Task.objects.filter(pk=task.pk).update(title="theirs")

    text = act(staff, "tasks_task", "edit", task, other, **{"edit-priority": "1", **shown})
    assert "1 task changed meanwhile" in text
    assert [row.priority for row in now(task, other)] == [0, 1]

    assert "more than 20 labels" in edit(staff, *now(task, other), add_labels="one more")
    assert now(task)[0].labels == []
    for fields in ({"add_labels": ".."}, {"due_on": "soon"}, {"due_on": "2027-01-01", "clear_due": "on"}):
        assert "Change 1 task?" in edit(staff, *now(task), **fields)
    assert now(task)[0].version == 2


def found(staff: Client, owner: User | None, **filters: Any) -> set[str]:
    query = {**({"user__id__exact": str(owner.pk)} if owner else {}), **filters}
    text = page(staff.get(LIST, query))
    titles = Task.objects.filter(title__startswith="filtered").values_list("title", flat=True)
    return {title for title in titles if f">{title}</a>" in text}


def test_tasks_are_filtered_by_list_and_by_label(staff: Client) -> None:
    owner = make_user()
    home = make_list(owner, "Home, sweet home")
    prefix = f"filtered {owner.pk}"
    make_task(owner, f"{prefix} a", list_id=home.id, labels=["Garden", "a/b"])
    make_task(owner, f"{prefix} b", list_id=home.id)
    make_task(owner, f"{prefix} c", labels=["garden"])

    text = page(staff.get(LIST, {"user__id__exact": str(owner.pk)}))
    assert "Home, sweet home" in text
    assert 'value="a/b"' in text
    everybodys = page(staff.get(LIST))
    assert "choose an owner first" in everybodys
    assert "Home, sweet home" not in everybodys
    ends = {letter: f"{prefix} {letter}" for letter in "abc"}
    assert found(staff, owner, list_id=str(home.id)) == {ends["a"], ends["b"]}
    assert found(staff, None, list_id=str(home.id)) == {ends["a"], ends["b"]}  # a link of ours
    assert found(staff, owner, list_id="inbox") == {ends["c"]}
    assert found(staff, owner, label="GARDEN") == {ends["a"], ends["c"]}
    assert found(staff, owner, label="garden", list_id=str(home.id)) == {ends["a"]}
    assert found(staff, owner, label="nobody's") == set()
    for filters in ({"list_id": "inbox"}, {"list_id": "x"}, {"label": "garden"}, {"label": "\0"}):
        assert "Nothing is listed" in page(staff.get(LIST, filters))
