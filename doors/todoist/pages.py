"""Tasks as PostgreSQL writes them, many at once: as `documents.task` makes one, and no dearer than a page of our own.

What SQL cannot say, the order and a rule in words, is put in here: it comes on lines of its own, and there are no line
breaks in PostgreSQL's JSON.
"""

from functools import lru_cache

import orjson

from doors.todoist import documents, dues
from tasks.list_query import TaskListQuery
from tasks.models import Priority, Task
from tasks.queries import pages
from todoproject.database.client.sql import Text, json_object, json_value
from todoproject.database.client.statement import Credentials

_USER = "(SELECT current_user_id())"
_INSTANT = """to_char(rows.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
# Of a series it ends where its rule is to be said.
_DUE = f"""
    CASE WHEN rows.due_on IS NULL AND rows.due_at IS NULL THEN 'null'
         WHEN rows.recurrence IS NOT NULL THEN format(
              '{{"date":"%%s","timezone":%%s,"lang":"en","is_recurring":true,"string":',
              coalesce(to_json(rows.due_on) #>> '{{}}', {_INSTANT}),
              CASE WHEN rows.due_on IS NULL THEN (rows.recurrence -> 'timezone')::text ELSE 'null' END)
         WHEN rows.due_on IS NOT NULL THEN format(
              '{{"date":%%1$s,"timezone":null,"string":%%1$s,"lang":"en","is_recurring":false}}', to_json(rows.due_on))
         ELSE format(
              '{{"date":"%%1$s","timezone":"UTC","string":"%%1$s","lang":"en","is_recurring":false}}', {_INSTANT}) END
"""


@lru_cache
def _text() -> Text:
    priorities = " ".join(f"WHEN {p.value} THEN '{documents.PRIORITIES[p.name.lower()]}'" for p in Priority)
    written = json_object(
        [
            *((name, *json_value(Task, ours)) for name, ours in documents.SAME_AS_OURS.items()),
            *((name, orjson.dumps(value).decode(), None) for name, value in documents.SAME_FOR_ALL_TASKS.items()),
            *((name, '"%%s"', _USER) for name in ("user_id", "added_by_uid")),
            ("project_id", '"%%s"', f"coalesce(rows.list_id::text, '{documents.INBOX}')"),
            ("priority", "%%s", f"CASE rows.priority {priorities} END"),
            ("completed_by_uid", "%%s", f"""CASE WHEN rows.is_completed THEN '"' || {_USER} || '"' ELSE 'null' END"""),
            ("is_deleted", "%%s", "CASE WHEN rows.deleted_at IS NULL THEN 'false' ELSE 'true' END"),
            ("due", "%%s", _DUE),
        ]
    )
    template = written.template.removesuffix("}")
    return Text(f"{template}\n%%s\n%%s", (*written.values, "rows.position", "rows.recurrence"))


@lru_cache
def changed() -> Text:
    """Return what a sync reads of a task: whether it is completed, its list, and then what `task` takes."""
    found = _text()
    return Text(f"%%s\n%%s\n{found.template}", ("rows.is_completed", "rows.list_id", *found.values))


async def page(credentials: Credentials, query: TaskListQuery, member: str) -> bytes:
    """Return a page of the user's tasks as Todoist's, below this member. Raises InvalidCursor."""
    found = await pages.find(credentials, query, _text())
    tasks = b",".join(map(task, found.tasks))
    return b'{"%b":[%b],"next_cursor":%b}' % (member.encode(), tasks, orjson.dumps(found.next_cursor))


def task(written: bytes) -> bytes:
    """Return a task as JSON, of what PostgreSQL has written."""
    text, position, recurrence = written.split(b"\n")
    said = _said(recurrence) if recurrence else b""
    return b'%b%b,"child_order":%b}' % (text, said, _order(position))


@lru_cache(maxsize=16_384)  # as of documents.order
def _order(position: bytes) -> bytes:
    return str(documents.order(position.decode())).encode()


@lru_cache(maxsize=1024)
def _said(recurrence: bytes) -> bytes:
    """Return what ends the due of a series: its rule in words."""
    read = orjson.loads(recurrence)
    return orjson.dumps(dues.words(read["rule"], read["from"])) + b"}"
