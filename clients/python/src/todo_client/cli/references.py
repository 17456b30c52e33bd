"""Which task or list is meant: by its number in the last list, by its id, or by words of its title."""

import itertools
import uuid

from todo_client.cli.session import Session
from todo_client.errors import TodoError
from todo_client.models import Task, TaskList
from todo_client.operations.tasks import TaskFilter

# Enough to choose from.
_MOST_SHOWN = 5


class NoSuchThing(TodoError):
    """Nothing, or more than one thing, goes by that name."""


def task(session: Session, text: str, *, is_completed: bool | None = False) -> Task:
    """Return the task that is meant, as it is now. Raises NoSuchThing, NotFound."""
    if text.isdigit():
        return session.client.tasks.get(_listed(session, int(text)))
    try:
        return session.client.tasks.get(str(uuid.UUID(text)))
    except ValueError:
        return _by_title(session, text, is_completed)


def _listed(session: Session, number: int) -> str:
    listed = session.memory.listed
    if not 1 <= number <= len(listed):
        last = f"it ended with {len(listed)}" if listed else "there was none so far"
        raise NoSuchThing(f"The last list has no number {number} ({last}). Run: todo ls")
    return listed[number - 1][0]


def _by_title(session: Session, text: str, is_completed: bool | None) -> Task:
    narrowed: TaskFilter = {"q": text} if is_completed is None else {"q": text, "is_completed": is_completed}
    found = list(itertools.islice(session.client.tasks.list(**narrowed), _MOST_SHOWN + 1))
    same = [one for one in found if one.title.casefold() == text.casefold()] or found
    if len(same) == 1:
        return same[0]
    if not same:
        raise NoSuchThing(f"No task is called “{text}”. Run: todo ls")
    lines = [f"  {session.memory.number_of(one.id, one.title)}: {one.title}" for one in same[:_MOST_SHOWN]]
    session.memory.save()
    more = ["  …"] if len(same) > _MOST_SHOWN else []
    raise NoSuchThing("\n".join([f"More than one task fits “{text}”. Name it by its number:", *lines, *more]))


def task_list(session: Session, name: str) -> TaskList:
    """Return the list of that name. Raises NoSuchThing."""
    there = list(session.client.lists.list())
    wanted = name.casefold()
    same = [one for one in there if one.id == name or one.name.casefold() == wanted]
    found = same or [one for one in there if one.name.casefold().startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSuchThing(f"More than one list is called “{name}”. Name it by its id: todo lists --json")
    known = ", ".join(one.name for one in there) or "none so far"
    raise NoSuchThing(f"There is no list “{name}” (there are: {known}). Make it: todo lists --add {_quoted(name)}")


def list_id(session: Session, name: str | None) -> str | None:
    """Return the id of a list by its name; `inbox` is no list."""
    return None if name is None or name.casefold() in {"inbox", "none"} else task_list(session, name).id


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
