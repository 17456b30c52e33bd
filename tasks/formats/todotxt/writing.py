"""From items to the lines of a todo.txt file."""

import re
from collections.abc import Iterator
from datetime import time

from tasks.formats.items import Item
from tasks.formats.todotxt.words import SPACE, WEEKDAYS, encoded, escaped

_LETTERS = {"urgent": "A", "high": "A", "medium": "B", "low": "C"}
_RULE = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(?:;INTERVAL=([1-9]\d*))?", re.ASCII)


def write(item: Item) -> str:
    """Return the line that says this, without its end."""
    return " ".join(filter(None, [*_head(item), _title(item.title), *_tags(item), *_values(item)]))


def _head(item: Item) -> Iterator[str]:
    if item.is_completed:
        yield "x"
        if item.completed_on is not None:  # the first day there is the day of completion
            yield item.completed_on.isoformat()
    elif item.priority in _LETTERS:
        yield f"({_LETTERS[item.priority]})"
    if item.created_on is not None and (item.completed_on is not None or not item.is_completed):
        yield item.created_on.isoformat()


def _title(title: str) -> str:
    words = SPACE.sub(" ", title).split(" ")
    return " ".join(escaped(word, is_first=position == 0) for position, word in enumerate(words))


def _tags(item: Item) -> Iterator[str]:
    if item.list_name is not None:
        yield f"+{encoded(item.list_name)}"
    yield from (f"@{encoded(label)}" for label in item.labels)


def _values(item: Item) -> Iterator[str]:
    if item.due_on is not None:
        yield f"due:{item.due_on.isoformat()}"
    if item.due_time is not None:
        yield f"at:{_time_of_day(item.due_time)}"
    if item.starts_on is not None:
        yield f"t:{item.starts_on.isoformat()}"
    if item.recurrence is not None:
        yield _recurrence(dict(item.recurrence))
    if item.occurrence is not None:
        yield f"occurs:{item.occurrence}"
    if item.priority == "urgent" or (item.is_completed and item.priority in _LETTERS):
        yield f"pri:{'urgent' if item.priority == 'urgent' else _LETTERS[item.priority]}"
    if item.reminders:
        yield "remind:" + ",".join(str(each.get("minutes_before", each.get("at"))) for each in item.reminders)
    if item.description:
        yield f"desc:{encoded(item.description)}"
    if item.uuid is not None:
        yield f"uuid:{item.uuid}"
    if item.parent is not None:
        yield f"parent:{item.parent}"
    if item.external_id is not None:
        yield f"external:{encoded(item.external_id)}"


def _time_of_day(moment: time) -> str:
    is_short = moment.second == moment.microsecond == 0
    text = moment.isoformat("minutes" if is_short else "auto")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _recurrence(members: dict[str, str]) -> str:
    """Say it with `rec:` where that says all of it."""
    rule = members.pop("rule")
    if members.keys() <= {"from"}:
        sign = "" if members["from"] == "completion" else "+"
        if rule == WEEKDAYS:
            return f"rec:{sign}1b"
        match = _RULE.fullmatch(rule)
        if match and match[2] != "1":
            return f"rec:{sign}{match[2] or 1}{match[1][0].lower()}"
    rest = [f"{name}={value}" for name, value in sorted(members.items()) if (name, value) != ("from", "due")]
    return f"rrule:{encoded('|'.join([rule, *rest]))}"
