"""What a person's page shows of their tasks."""

from django.db.models import Count
from django.http import HttpRequest

from accounts.admin import person_panels
from accounts.admin.person_panels import Fact, Panel
from accounts.models import User
from tasks.admin.states import overdue, state_of
from tasks.models import Priority, Task


def _facts(request: HttpRequest, user: User) -> list[Fact]:
    if not request.user.has_perm("tasks.view_task"):
        return []
    open_tasks = Task.objects.filter(user=user, is_completed=False, deleted_at=None)
    counts = open_tasks.aggregate(open=Count("*"), overdue=Count("pk", filter=overdue()))
    return [
        Fact(
            name.capitalize(),
            f"{counts[name]:,}",
            person_panels.more("tasks_task", user__id__exact=user.pk, state=name),
        )
        for name in ("open", "overdue")
    ]


def _newest(request: HttpRequest, user: User) -> Panel | None:
    if not request.user.has_perm("tasks.view_task"):
        return None
    newest = Task.objects.filter(user=user, deleted_at=None).order_by("-created_at", "-id")[: person_panels.ROWS]
    rows = [
        (
            person_panels.link(task.title, "tasks_task_change", task.pk),
            state_of(task),
            Priority(task.priority).label.lower(),
            person_panels.when(task.due_at or task.due_on) if task.due_at or task.due_on else "–",
            person_panels.when(task.created_at),
        )
        for task in newest
    ]
    more = person_panels.more("tasks_task", user__id__exact=user.pk)
    return Panel("Newest tasks", ("Title", "State", "Priority", "Due", "Created"), rows, more)


person_panels.add_facts(_facts)
person_panels.add(_newest)
