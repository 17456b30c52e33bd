"""What can be left out of an operation, to see what it costs PostgreSQL."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bench.limit import Sent

_ALL = ("get", "list", "create", "patch", "delete")
_ANSWERED = ("get", "list", "create", "patch")
_WRITES = ("create", "patch", "delete")

Edit = Callable[[Sequence[Sent]], Sequence[Sent]]


@dataclass(frozen=True)
class Part:
    """A part of the work. Its time is that of `beside` less that of a database or a message that is without it."""

    name: str
    operations: Sequence[str] = _WRITES
    without: str = ""  # SQL that takes it out of a copy of the database
    session: str = ""  # of the session
    begin: str = ""  # before each owner's turn
    edited: Edit = lambda message: message
    beside: str = "whole"


_USER = "set_config('app.user_id', '{owner}', true), set_config('role', 'todo_api', true)"
_NUMBER = "set_config('app.change_no', '0 0', true)"


def _without_look_up(message: Sequence[Sent]) -> list[Sent]:
    """Believe that the owner is who it is, and lock nothing."""
    found = []
    for sent in message:
        if "open_request" in sent.text:
            extra = f", {_NUMBER}, set_config('app.request_id', $1, true)" if len(sent.parameters) > 1 else ""
            found.append(Sent(f"SELECT {_USER}{extra}", sent.parameters[1:]))
        else:
            found.append(sent)
    return found


def _without_preamble(message: Sequence[Sent]) -> list[Sent]:
    return [sent for sent in message if "open_request" not in sent.text]


def _without_count(message: Sequence[Sent]) -> list[Sent]:
    return [sent for sent in message if "changes_made" not in sent.text]


_JSON = re.compile(r"SELECT concat\(.* FROM \(SELECT", re.DOTALL)


def _without_json(message: Sequence[Sent]) -> list[Sent]:
    return [replace(sent, text=_JSON.sub("SELECT * FROM (SELECT", sent.text)) for sent in message]


def _drop_constraints(kind: str) -> str:
    return f"""
        DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'tasks'::regclass AND contype = '{kind}' LOOP
                EXECUTE format('ALTER TABLE tasks DROP CONSTRAINT %I', name);
            END LOOP;
        END $$"""


_WITHOUT_NUMBERS = """
    ALTER TABLE tasks DISABLE TRIGGER tasks_insert_books, DISABLE TRIGGER tasks_update_books,
          DISABLE TRIGGER tasks_numbers_written, DISABLE TRIGGER tasks_are_logged,
          ALTER change_no SET DEFAULT 0, ALTER version SET DEFAULT 1, ALTER sort_due SET DEFAULT '9999-12-31',
          ALTER sort_title SET DEFAULT 'buy the milk', ALTER created_at SET DEFAULT now(),
          ALTER updated_at SET DEFAULT now(), ALTER position SET DEFAULT 'V'
"""


def _indexes() -> Iterator[Part]:
    for name, title in (
        ("tasks_terms", "search index"),
        ("tasks_by_creation", "index by creation"),
        ("tasks_by_title", "index by title"),
        ("tasks_by_due", "index by due"),
        ("tasks_open", "index of open ones by due"),
        ("tasks_by_priority", "index by priority"),
        ("tasks_in_inbox", "index by position"),
        ("tasks_by_change", "index by change"),
    ):
        yield Part(title, without=f"DROP INDEX {name}")


WHOLE = Part("whole", _ALL)
PARTS: Sequence[Part] = (
    WHOLE,
    Part("token check, owner's lock", _ALL, edited=_without_look_up),
    Part(
        "user and role",
        _ALL,
        begin="SELECT set_config('app.user_id', '{owner}', false), set_config('app.change_no', '0 0', false),"
        " set_config('role', 'todo_api', false)",
        edited=_without_preamble,
        beside="token check, owner's lock",
    ),
    Part("policy", _ALL, without="ALTER TABLE tasks DISABLE ROW LEVEL SECURITY"),
    Part("JSON", _ANSWERED, edited=_without_json),
    Part("numbers, versions and places", without=_WITHOUT_NUMBERS, beside="log of changes"),
    Part("log of changes", without="ALTER TABLE tasks DISABLE TRIGGER tasks_are_logged"),
    Part("counting changes", edited=_without_count),
    Part("CHECK constraints", without=_drop_constraints("c")),
    Part("foreign keys", without=_drop_constraints("f")),
    *_indexes(),
    Part("waiting for the disk", session="SET synchronous_commit = off"),
)
