"""Commands that show tasks, lists and what happens."""

import itertools
from dataclasses import asdict
from typing import Annotated

import typer

from todo_client.cli import references
from todo_client.cli.options import Json, ListName, PriorityOption, Reference
from todo_client.cli.rendering import details, footer, task_table
from todo_client.cli.session import Session, documents, of
from todo_client.models import Task
from todo_client.operations.tasks import TaskFilter
from todo_client.stream import Event

_PAGE = 200  # as many as the API gives at once


def ls(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORD", help="Words that the tasks must have.")] = None,
    list: ListName = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-t", help="A label; may be repeated.")] = None,
    priority: PriorityOption = None,
    today: Annotated[bool, typer.Option("--today", help="Only what is due today, or overdue.")] = False,
    done: Annotated[bool, typer.Option("--done", help="Completed tasks, newest first.")] = False,
    all: Annotated[bool, typer.Option("--all", "-a", help="Open and completed tasks.")] = False,
    sort: Annotated[str, typer.Option(help="due, priority, title, position …; -due turns it round.")] = "due",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """List tasks, the most pressing first. Their numbers name them in other commands."""
    session = of(context, json)
    filters: TaskFilter = {"sort": "-updated_at" if done and sort == "due" else sort}
    if not all:
        filters["is_completed"] = done
    if words:
        filters["q"] = " ".join(words)
    if list is not None:
        filters["list_id"] = references.list_id(session, list)
    if label:
        filters["label"] = label
    if priority is not None:
        filters["priority"] = priority.value
    if today:
        filters["due_before"] = "tomorrow"
    size = min(limit + 1, _PAGE)
    found = [*itertools.islice(session.client.tasks.list(page_size=size, **filters), limit + 1)]
    _show(session, found[:limit], has_more=len(found) > limit)


def _show(session: Session, tasks: "list[Task]", *, has_more: bool) -> None:
    if tasks:  # the list before may still be on the screen
        session.memory.listed = [(task.id, task.title) for task in tasks]
        session.memory.save()
    session.emit(documents(tasks))
    if session.is_json:
        return
    if not tasks:
        session.say('Nothing to do here. Add a task with: todo add "Buy milk" --due tomorrow')
        return
    zone, now = session.zone(), session.now()
    lists = {one.id: one for one in session.client.lists.list(page_size=_PAGE)}
    session.console.print(task_table([*enumerate(tasks, 1)], lists, zone, now, session.console.width))
    session.console.print(footer(tasks, zone, now, has_more=has_more))


def show(context: typer.Context, task: Reference, json: Json = False) -> None:
    """Show all of a task."""
    session = of(context, json)
    found = references.task(session, task, is_completed=None)
    session.emit(found.document)
    if not session.is_json:
        lists = {one.id: one for one in session.client.lists.list(page_size=_PAGE)}
        session.console.print(details(found, lists, session.zone(), session.now()))


def lists(
    context: typer.Context,
    add: Annotated[str | None, typer.Option("--add", metavar="NAME", help="Make a list.")] = None,
    json: Json = False,
) -> None:
    """Show the lists, and how many open tasks each has; or make one."""
    session = of(context, json)
    if add is not None:
        made = session.client.lists.create(add)
        session.remember()
        session.say(f"Made the list “{made.name}”")
        session.emit(made.document)
        return
    found = [*session.client.lists.list(page_size=_PAGE)]
    session.emit(documents(found))
    if not session.is_json:
        open_tasks = session.client.statistics().by_list
        for name, list_id in [("inbox", None), *((one.name, one.id) for one in found)]:
            session.say(f"{open_tasks.get(list_id, 0):>5}  {name}")


def stats(context: typer.Context, json: Json = False) -> None:
    """Show figures."""
    session = of(context, json)
    figures = session.client.statistics()
    session.emit(asdict(figures))
    done = figures.completed
    session.say(f"{figures.open} open, {figures.due_today} due today, {figures.overdue} overdue")
    session.say(f"{done['today']} completed today, {done['days_7']} in 7 days, {done['days_30']} in 30 days")


def watch(context: typer.Context, json: Json = False) -> None:
    """Tell what changes, as it happens, until Ctrl-C."""
    session = of(context, json)
    cursor = session.client.changes.page("now").next_cursor  # before anything is read: nothing falls in between
    titles = {task.id: task.title for task in itertools.islice(session.client.tasks.list(page_size=_PAGE), 1000)}
    session.say("Watching. Ctrl-C ends it.")
    try:
        for event in session.client.changes.stream(cursor):
            session.emit({"event": event.kind, **event.document})
            session.say(_line(session, event, titles))
    except KeyboardInterrupt:
        return


def _line(session: Session, event: Event, titles: dict[str, str]) -> str:
    """Say in a line what has happened; `titles` has what things are called, for when they are gone."""
    clock = f"{session.now().astimezone():%H:%M:%S}"
    thing_id = str(event.document["id"])
    if event.change is None:
        return f"{clock}  reminder   {event.task.title if event.task else titles.get(thing_id, '')}"
    task, home = event.change.task, event.change.list
    if task is None and home is None:
        return f"{clock}  deleted    {titles.pop(thing_id, f'{event.kind} …{thing_id[-6:]}')}"
    is_new = thing_id not in titles and _version(event) == 1
    titles[thing_id] = task.title if task else f"list {home.name}" if home else ""
    verb = "done" if task and task.is_completed else "new" if is_new else "changed"
    return f"{clock}  {verb:<9}  {titles[thing_id]}"


def _version(event: Event) -> int:
    thing = event.change and (event.change.task or event.change.list)
    return thing.version if thing else 0


COMMANDS = {"ls": ls, "show": show, "lists": lists, "stats": stats, "watch": watch}
