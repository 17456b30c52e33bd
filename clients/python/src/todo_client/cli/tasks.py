"""Commands that change tasks."""

from collections.abc import Sequence
from typing import Annotated, cast

import typer

from todo_client.cli import dues, references
from todo_client.cli.options import DueText, Json, ListName, PriorityName, PriorityOption, Reference, References
from todo_client.cli.rendering import due_text
from todo_client.cli.session import Session, of
from todo_client.errors import NotUndoable
from todo_client.models import Change, Task
from todo_client.operations.tasks import TaskChange, TaskFields


def add(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is to be done.")],
    due: DueText = None,
    list: ListName = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-t", help="A label; may be repeated.")] = None,
    priority: PriorityOption = None,
    note: Annotated[str | None, typer.Option("--note", "-n", help="Whatever else there is to say.")] = None,
    under: Annotated[str | None, typer.Option("--under", metavar="TASK", help="What it belongs under.")] = None,
    repeat: Annotated[
        str | None, typer.Option("--repeat", metavar="RULE", help="daily, weekly, monthly, yearly, or an RRULE.")
    ] = None,
    json: Json = False,
) -> None:
    """Add a task."""
    session = of(context, json)
    fields = _fields(session, due, list, priority, note)
    if label:
        fields["labels"] = label
    if under is not None:
        fields["parent_id"] = references.task(session, under).id
    if repeat is not None:
        fields["recurrence"] = {"rule": _rule(repeat)}
    task = session.client.tasks.create(title, **fields)
    session.told("Added", task, _due_of(session, task, due))


def edit(
    context: typer.Context,
    task: Reference,
    title: Annotated[str | None, typer.Option("--title", help="What it is called from now on.")] = None,
    due: DueText = None,
    list: ListName = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-t", help="A label to give it.")] = None,
    unlabel: Annotated[list[str] | None, typer.Option("--unlabel", help="A label to take away.")] = None,
    priority: PriorityOption = None,
    note: Annotated[str | None, typer.Option("--note", "-n", help="Whatever else there is to say.")] = None,
    json: Json = False,
) -> None:
    """Change a task: what is not named stays."""
    session = of(context, json)
    changes = cast(TaskChange, _fields(session, due, list, priority, note))  # the same, and a title may join
    if title is not None:
        changes["title"] = title
    if not (changes or label or unlabel):
        raise typer.BadParameter("Say what to change, e.g. --due tomorrow")
    found = references.task(session, task)
    if label or unlabel:
        gone = {name.casefold() for name in unlabel or ()}
        kept = [name for name in found.labels if name.casefold() not in gone]
        there = {name.casefold() for name in kept}
        changes["labels"] = kept + [name for name in label or () if name.casefold() not in there]
    changed = session.client.tasks.update(found, **changes)
    session.told("Changed", changed, _due_of(session, changed, due))


def done(context: typer.Context, tasks: References, json: Json = False) -> None:
    """Complete tasks; of one that repeats, its present occurrence."""
    session = of(context, json)
    for reference in tasks:
        task = session.client.tasks.complete(references.task(session, reference))
        more = _due_of(session, task, "next") if task.completed_copy else ""
        session.told("Done", task, more.replace("due", "next", 1))


def reopen(context: typer.Context, tasks: References, json: Json = False) -> None:
    """Reopen completed tasks."""
    session = of(context, json)
    for reference in tasks:
        session.told("Reopened", session.client.tasks.reopen(references.task(session, reference, is_completed=True)))


def rm(context: typer.Context, tasks: References, json: Json = False) -> None:
    """Put tasks into the trash; `todo undo` brings them back."""
    session = of(context, json)
    for reference in tasks:
        found = references.task(session, reference, is_completed=None)
        session.client.tasks.delete(found)
        session.told("Deleted", found)


def undo(
    context: typer.Context,
    change: Annotated[
        int | None, typer.Argument(metavar="NUMBER", help="The change's number; else the last one made here.")
    ] = None,
    json: Json = False,
) -> None:
    """Undo the last change made with this command; again: the one before, if that was of something else."""
    session = of(context, json)
    changes = session.memory.changes
    if change is None and not changes:
        raise NotUndoable(409, {"code": "not-undoable", "detail": "No change was made here that is not undone."})
    number = changes[-1] if change is None else change
    undone = session.client.changes.undo(number)
    session.memory.changes = [one for one in changes if one != number]
    session.memory.save()
    session.say(f"Undone: {_names(session, undone)}. To take that back: todo undo {session.client.change_no}")
    session.emit([one.document for one in undone])


def _names(session: Session, undone: Sequence[Change]) -> str:
    """Say what was changed by undoing; of what is gone now, only where there is nothing else to name."""
    known = dict(session.memory.listed)
    there = [one.task.title if one.task else one.list.name if one.list else "" for one in undone if not one.is_deleted]
    names = there or [f"{known.get(one.id, f'{one.kind} …{one.id[-6:]}')} (removed)" for one in undone]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _fields(
    session: Session, due: str | None, tasks: str | None, priority: PriorityName | None, note: str | None
) -> TaskFields:
    """Return what the options of `add` and `edit` say that both have."""
    fields: TaskFields = {}
    if due is not None:
        try:
            day = dues.parse(due, session.zone(), session.now())
        except dues.NotADue as error:
            raise typer.BadParameter(str(error), param_hint="--due") from error
        fields["due_on"], fields["due_at"] = day.on, day.at
    if tasks is not None:
        fields["list_id"] = references.list_id(session, tasks)
    if priority is not None:
        fields["priority"] = priority.value
    if note is not None:
        fields["description"] = note
    return fields


def _due_of(session: Session, task: Task, asked: str | None) -> str:
    """Return the due for a sentence, where somebody has just named one: so that they see how it was understood."""
    if asked is None or session.is_json or (task.due_on is None and task.due_at is None):
        return ""
    day = task.due_on or (task.due_at.astimezone(session.zone()).date() if task.due_at else None)
    return f", due {due_text(task, session.zone(), session.now()).plain}" + (f" ({day})" if day else "")


def _rule(text: str) -> str:
    simple = {"daily", "weekly", "monthly", "yearly"}
    return f"FREQ={text.upper()}" if text.lower() in simple else text.removeprefix("RRULE:")


COMMANDS = {"add": add, "edit": edit, "done": done, "reopen": reopen, "rm": rm, "undo": undo}
