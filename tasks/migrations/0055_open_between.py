"""What is open has nothing completed above it, also where a cascade has opened it.

A task that was completed along with another may have been moved since, under one that was completed by itself, or under
a completed occurrence of a series. Reopening what had taken it along, or going on with the series, left it open below.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_CASCADE = import_module("tasks.migrations.0016_tree_cascade")
_SERIES = import_module("tasks.migrations.0031_series_rules")

_TAKEN_BACK = """
            UPDATE tasks SET is_completed = false, completed_with = NULL
             WHERE user_id = NEW.user_id AND id = ANY (below) AND completed_with = NEW.id;
"""
# As in open_above_task: what is opened because of what is below it takes nothing back any more.
_OPENED_BETWEEN = """
            WITH RECURSIVE tree (id, parent_id, is_in_the_way) AS (
                SELECT id, parent_id, false FROM tasks
                 WHERE user_id = NEW.user_id AND id = ANY (below) AND completed_with = NEW.id
                UNION
                SELECT task.id, task.parent_id, task.is_completed AND task.completed_with IS DISTINCT FROM NEW.id
                  FROM tree JOIN tasks AS task ON task.user_id = NEW.user_id AND task.id = tree.parent_id
                 WHERE task.id <> NEW.id)
            SELECT array_agg(id) INTO in_between FROM tree WHERE is_in_the_way;
            UPDATE tasks SET is_completed = false, completed_with = NULL
             WHERE user_id = NEW.user_id AND id = ANY (below) AND (completed_with = NEW.id OR id = ANY (in_between));
            IF in_between IS NOT NULL THEN
                setting := set_config('app.filling', 'on', true);
                UPDATE tasks SET completed_with = NULL WHERE user_id = NEW.user_id AND completed_with = ANY (in_between);
                setting := set_config('app.filling', 'off', true);
            END IF;
"""
_CASCADE_BEFORE = _CASCADE.CASCADE.split("REVOKE", 1)[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
CASCADE = _CASCADE_BEFORE.replace(_TAKEN_BACK, _OPENED_BETWEEN).replace(
    "    below uuid[];\n", "    below uuid[];\n    in_between uuid[];\n", 1
)

# What was moved under a completed occurrence belongs to that.
_SERIES_BEFORE = _SERIES.MOVE_SERIES.split("REVOKE", 1)[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
MOVE_SERIES = _SERIES_BEFORE.replace(
    "child.parent_id = task AND child.deleted_at IS NULL\n",
    "child.parent_id = task AND child.deleted_at IS NULL AND child.recurrence_of IS NULL\n",
    1,
).replace(
    "         WHERE child.deleted_at IS NULL)\n",
    "         WHERE child.deleted_at IS NULL AND child.recurrence_of IS NULL)\n",
    1,
)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0054_creation_kept")]

    operations = [run(CASCADE, _CASCADE_BEFORE), run(MOVE_SERIES, _SERIES_BEFORE)]
