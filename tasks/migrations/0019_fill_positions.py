"""Give the tasks from before their positions, oldest first: a few owners at a time, each time a short transaction.

It is no change of theirs: no number, no version, and nothing for clients to fetch. Begun again, it does the rest.
"""

from typing import Any

from django.db import connections, migrations, transaction

BATCH = 50  # owners

_OWNERS = "SELECT id FROM users WHERE id > %s ORDER BY id LIMIT %s FOR NO KEY UPDATE"
# Those that were made meanwhile have a position already: they come last here, too.
_FILL = """
UPDATE tasks SET position = position_at(placed.number - 1)
  FROM (SELECT key, row_number() OVER (PARTITION BY user_id ORDER BY position IS NOT NULL, created_at, id) AS number
          FROM tasks WHERE user_id IN (SELECT user_id FROM tasks WHERE user_id = ANY (%s) AND position IS NULL)) AS placed
 WHERE tasks.key = placed.key
"""


def fill(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    last, filled = "00000000-0000-0000-0000-000000000000", 0
    while True:
        with transaction.atomic(alias), connections[alias].cursor() as cursor:
            cursor.execute(_OWNERS, [last, BATCH])
            owners = [owner for (owner,) in cursor.fetchall()]
            if not owners:
                return
            cursor.execute("SELECT set_config('app.filling', 'on', true)")
            cursor.execute(_FILL, [owners])
            last, filled = owners[-1], filled + cursor.rowcount
            if cursor.rowcount:
                print(f"\n    {filled:,} tasks have their positions", end="", flush=True)


def leave(apps: Any, schema_editor: Any) -> None:
    """Leave them: the column goes with its migration."""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0018_position_index")]
    atomic = False

    operations = [migrations.RunPython(fill, leave)]
