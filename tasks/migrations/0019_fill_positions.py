"""Give the tasks from before their positions, oldest first: a few hundred at a time, each time a short transaction.

It is no change of theirs: no number, no version, and nothing for clients to fetch. Begun again, it does the rest.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from django.db import connections, migrations, transaction

BATCH = 500  # tasks: their owners cannot write meanwhile
_TELL_EVERY = 10_000

_OWNERS = """
SELECT id, (SELECT count(*) FROM tasks WHERE user_id = users.id) FROM users WHERE id > %s ORDER BY id LIMIT 50
"""
# First the tasks, as whoever writes does in the release before, then their owners: in the other order one of the two
# would be told of a deadlock.
_LOCK_TASKS = "SELECT FROM tasks WHERE {} = ANY (%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
_LOCK_OWNERS = "SELECT FROM users WHERE id = ANY (%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
# Those that were made meanwhile have a position already: they come last here, too.
_FILL = """
UPDATE tasks SET position = position_at(placed.number - 1)
  FROM (SELECT key, row_number() OVER (PARTITION BY user_id ORDER BY position IS NOT NULL, created_at, id) AS number
          FROM tasks WHERE user_id IN (SELECT user_id FROM tasks WHERE user_id = ANY (%s::uuid[]) AND position IS NULL)) AS placed
 WHERE tasks.key = placed.key
"""
# Of an owner who has many: piece by piece, and at the end those that were made meanwhile.
_KEYS = """
SELECT key FROM tasks WHERE user_id = %s AND NOT key = ANY (%s::uuid[])
   AND EXISTS (SELECT FROM tasks WHERE user_id = %s AND position IS NULL OR %s)
 ORDER BY created_at, id
"""
_FILL_PIECE = """
UPDATE tasks SET position = position_at(%s + placed.number - 1)
  FROM unnest(%s::uuid[]) WITH ORDINALITY AS placed (key, number) WHERE tasks.key = placed.key
"""


def fill(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    filled, told = 0, 0
    for owners, number in _batches(alias):
        if number > BATCH:
            filled += _fill_one(alias, owners[0])
        else:
            with transaction.atomic(alias), connections[alias].cursor() as cursor:
                _begin(cursor, owners, "user_id", owners)
                cursor.execute(_FILL, [owners])
                filled += cursor.rowcount
        if filled >= told + _TELL_EVERY:
            print(f"\n    {filled:,} tasks have their positions", end="", flush=True)
            told = filled


def _batches(alias: str) -> Iterator[tuple[list[Any], int]]:
    """Yield owners, together as many as have a batch of tasks, and how many these are."""
    last, owners, number = "00000000-0000-0000-0000-000000000000", list[Any](), 0
    while True:
        with connections[alias].cursor() as cursor:
            cursor.execute(_OWNERS, [last])
            found = cursor.fetchall()
        for owner, tasks in found:
            if owners and number + tasks > BATCH:
                yield owners, number
                owners, number = [], 0
            owners, number, last = [*owners, owner], number + tasks, owner
        if not found:
            break
    if owners:
        yield owners, number


def _fill_one(alias: str, owner: Any) -> int:
    """Fill what one owner has, however much that is; return how much."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_KEYS, [owner, [], owner, False])
        keys = [key for (key,) in cursor.fetchall()]
    for begin in count(0, BATCH):
        with transaction.atomic(alias), connections[alias].cursor() as cursor:
            piece = keys[begin : begin + BATCH]
            _begin(cursor, [owner], "key", piece)
            if not piece and keys:
                cursor.execute(_KEYS, [owner, keys, owner, True])
                piece = [key for (key,) in cursor.fetchall()]
            if piece:
                cursor.execute(_FILL_PIECE, [begin, piece])
        if begin >= len(keys):
            break
    return len(keys)


def _begin(cursor: Any, owners: list[Any], column: str, values: list[Any]) -> None:
    cursor.execute(_LOCK_TASKS.format(column), [values])
    cursor.execute(_LOCK_OWNERS, [owners])
    cursor.execute("SELECT set_config('app.filling', 'on', true)")


def leave(apps: Any, schema_editor: Any) -> None:
    """Leave them: the column goes with its migration."""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0018_position_index")]
    atomic = False

    operations = [migrations.RunPython(fill, leave)]
