"""Todoist's language of filters: the part that our own parameters can say. The rest is refused, never guessed.

Parts joined by `&` must all hold. `|` joins priorities, and `today | overdue`. A comma, which asks for several lists
at once, is refused.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doors.todoist import projects
from doors.todoist.documents import INBOX
from doors.todoist.operations import invalid
from todoproject.http.problems import Problem

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

Wanted = dict[str, Any]

_SPACES = re.compile(r"\s+")
_PLAIN: Mapping[str, Wanted] = {
    "all": {},
    "view all": {},
    "today": {"due_on": "today"},
    "tod": {"due_on": "today"},
    "tomorrow": {"due_on": "tomorrow"},
    "tom": {"due_on": "tomorrow"},
    "yesterday": {"due_on": "-1d"},
    "overdue": {"overdue": True},
    "over due": {"overdue": True},
    "od": {"overdue": True},
    "no date": {"has_due": False},
    "no due date": {"has_due": False},
    "!no date": {"has_due": True},
    "!no due date": {"has_due": True},
    "recurring": {"is_recurring": True},
    "!recurring": {"is_recurring": False},
    "!subtask": {"parent_id": "null"},
    "p1": {"priority": ["urgent"]},
    "p2": {"priority": ["high"]},
    "p3": {"priority": ["medium", "low"]},
    "p4": {"priority": ["none"]},
    "no priority": {"priority": ["none"]},
}
_OR_OVERDUE = frozenset({"today", "tod"}), frozenset({"overdue", "over due", "od"})
_DAY = {"today": 0, "tomorrow": 1, "yesterday": -1}
_DAYS = re.compile(r"(?:next )?(\d{1,3}) days", re.ASCII)
_PROJECT = re.compile(r"#(?!#)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MEMBER = re.compile(r"(?:due|date)( before| after)?: ?(.+)")
_MOST = 20  # parts


async def wanted(request: "AuthenticatedRequest", query: str) -> Wanted | None:
    """Return the parameters of ours that say what the filter says; None where nothing can be meant by it.

    A project's name is looked up. Raises Problem.
    """
    if "," in query:
        raise _refused()
    parts = [_SPACES.sub(" ", part).strip() for part in query.split("&")]
    if len(parts) > _MOST:
        raise invalid("query", "filter", f"A filter has at most {_MOST} parts.")
    found: Wanted = {}
    for part in parts:
        meant = await _of_project(request, part) if _PROJECT.match(part) else _meaning(part)
        if meant is None:
            return None
        _join(found, meant)
    return found


async def _of_project(request: "AuthenticatedRequest", part: str) -> Wanted | None:
    name = part[1:].strip()
    if name.casefold() == INBOX:
        return {"list_id": "null"}
    async for each in projects.each_active(request):
        if each["name"].casefold() == name.casefold():
            return {"list_id": each["id"]}
    return None


def _join(found: Wanted, meant: Wanted) -> None:
    """Add what a part says. Raises Problem where it says a second time what can be asked once."""
    for name, value in meant.items():
        if name == "label":
            found.setdefault(name, []).extend(value)
        elif found.setdefault(name, value) != value:
            raise _refused()


def _meaning(part: str) -> Wanted:
    if part.startswith("(") and part.endswith(")") and "(" not in part[1:]:
        part = part[1:-1].strip()
    if "|" in part:
        return _any_of(part)
    lower = part.lower()
    if lower in _PLAIN:
        return _PLAIN[lower]
    for read in (_label, _search, _coming, _due):
        if meant := read(part):
            return meant
    raise _refused()


def _any_of(part: str) -> Wanted:
    words = [word.strip().lower() for word in part.split("|")]
    today, overdue = _OR_OVERDUE
    if len(words) == 2 and {*words} & today and {*words} & overdue:
        return {"due_before": "tomorrow"}
    if all("priority" in _PLAIN.get(word, {}) for word in words):
        found = [priority for word in words for priority in _PLAIN[word]["priority"]]
        return {"priority": list(dict.fromkeys(found))}
    raise _refused()


def _label(part: str) -> Wanted:
    return {"label": [part[1:].replace(r"\ ", " ")]} if part.startswith("@") and "*" not in part else {}


def _search(part: str) -> Wanted:
    return {"q": part[len("search:") :].strip()} if part.lower().startswith("search:") else {}


def _coming(part: str) -> Wanted:
    match = _DAYS.fullmatch(part.lower())
    return {"due_after": "-1d", "due_before": f"+{int(match[1])}d"} if match else {}


def _due(part: str) -> Wanted:
    match = _MEMBER.fullmatch(part.lower())
    if match is None:
        return {}
    day = match[2].strip()
    if day in _DAY:
        day = f"{_DAY[day]:+d}d"
    elif _DATE.fullmatch(day) is None:
        return {}
    return {{" before": "due_before", " after": "due_after"}.get(match[1], "due_on"): day}


def _refused() -> Problem:
    """Return the problem for what our parameters cannot say; the input itself is not repeated."""
    return invalid("query", "filter", _FORMS)


_FORMS = (
    "A part of the filter is not understood here. It may say, joined by &: today, overdue, today | overdue, tomorrow,"
    " 7 days, no date, due before: 2026-12-01, p1 to p4, @label, #project, search: words, recurring, !subtask."
)
