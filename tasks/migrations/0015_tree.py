"""Subtasks and order by hand: what holds of a task, its parent and its siblings, whoever writes.

A task and its subtasks are in one list, never deeper than five levels, never in a circle; under a deleted task nothing is
left. All of this is checked after the owner's row is locked, so what it is checked against cannot change meanwhile.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA
_LISTS = import_module("tasks.migrations.0012_list_rules")
_LABELS = import_module("tasks.migrations.0013_labels")

# How many levels there are from the top to the lowest of a task's own subtasks, under that parent; NULL in a circle.
LEVELS = """
CREATE FUNCTION {schema}.task_levels(owner uuid, task uuid, parent uuid) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    above integer := 0;
    below integer;
BEGIN
    WHILE parent IS NOT NULL AND above < 100 LOOP
        IF parent = task THEN
            RETURN NULL;
        END IF;
        above := above + 1;
        parent := (SELECT parent_id FROM tasks WHERE user_id = owner AND id = parent);
    END LOOP;
    WITH RECURSIVE tree (id, level) AS (
        SELECT task, 1
        UNION ALL
        SELECT child.id, level + 1 FROM tree JOIN tasks AS child ON child.user_id = owner AND child.parent_id = tree.id
         WHERE (child.deleted_at IS NULL OR child.deleted_with = task) AND level < 100)
    SELECT max(level) INTO below FROM tree;
    RETURN above + below;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.task_levels(uuid, uuid, uuid) FROM PUBLIC;
"""

# In a cascade the whole subtree is written by one statement, row by row: a row's parent may be next.
PLACE_RULE = """
    came_back := TG_OP = 'UPDATE' AND OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL;
    IF NEW.deleted_at IS NULL AND (NEW.parent_id IS NOT NULL OR NEW.list_id IS NOT NULL)
        AND (TG_OP = 'INSERT' OR came_back OR NEW.parent_id IS DISTINCT FROM OLD.parent_id
             OR NEW.list_id IS DISTINCT FROM OLD.list_id)
        AND current_setting('app.cascade', true) IS DISTINCT FROM 'on' THEN
        IF NEW.parent_id IS NOT NULL THEN
            SELECT deleted_at IS NULL, is_completed, list_id INTO is_live, is_done, parent_list
              FROM {schema}.tasks WHERE user_id = NEW.user_id AND id = NEW.parent_id;
            levels := {schema}.task_levels(NEW.user_id, NEW.id, NEW.parent_id);
            IF came_back AND (is_live IS NOT TRUE OR is_done OR levels > 5) THEN
                NEW.parent_id := NULL; -- back from the trash, and its parent is still there, completed or too deep
            ELSIF is_live IS NULL OR levels IS NULL OR levels > 5 THEN
                RAISE EXCEPTION 'the parent does not fit' USING ERRCODE = 'integrity_constraint_violation', TABLE = 'tasks',
                    CONSTRAINT = CASE WHEN is_live IS NULL THEN 'tasks_parent_exists' WHEN levels IS NULL
                                      THEN 'tasks_parent_circle' ELSE 'tasks_parent_depth' END;
            ELSIF NOT is_live THEN
                RAISE EXCEPTION 'the parent is deleted' USING ERRCODE = 'integrity_constraint_violation',
                    CONSTRAINT = 'tasks_parent_live', TABLE = 'tasks', DETAIL = NEW.parent_id;
            ELSIF NEW.list_id IS DISTINCT FROM parent_list THEN
                -- Who names no list means the parent's.
                IF NOT came_back AND (TG_OP = 'INSERT' AND NEW.list_id IS NOT NULL
                                      OR TG_OP = 'UPDATE' AND NEW.list_id IS DISTINCT FROM OLD.list_id) THEN
                    RAISE EXCEPTION 'the parent is in another list' USING ERRCODE = 'integrity_constraint_violation',
                        CONSTRAINT = 'tasks_parent_elsewhere', TABLE = 'tasks';
                END IF;
                NEW.list_id := parent_list;
            END IF;
        END IF;
        IF NEW.list_id IS NOT NULL AND NEW.parent_id IS NULL THEN
            is_live := (SELECT deleted_at IS NULL FROM {schema}.lists WHERE user_id = NEW.user_id AND id = NEW.list_id);
            IF came_back AND is_live IS NOT TRUE THEN
                NEW.list_id := NULL; -- back from the trash, and its list is still there
            ELSIF is_live IS NULL THEN
                RAISE EXCEPTION 'the list does not exist'
                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_list_exists', TABLE = 'tasks';
            ELSIF NOT is_live THEN
                RAISE EXCEPTION 'the list is deleted' USING ERRCODE = 'integrity_constraint_violation',
                    CONSTRAINT = 'tasks_list_live', TABLE = 'tasks', DETAIL = NEW.list_id;
            END IF;
        END IF;
    END IF;
    IF NEW.deleted_at IS NULL THEN
        NEW.deleted_with := NULL;
    END IF;
    IF NOT NEW.is_completed THEN
        NEW.completed_with := NULL;
    END IF;
"""

# A position that begins with ! was made for this place (place_task). Otherwise a task that is new among its siblings is
# the last one, and so is one that comes back where another now stands.
POSITION_RULE = """
    IF left(NEW.position, 1) = '!' THEN
        NEW.position := substr(NEW.position, 2);
    ELSIF NEW.position IS NULL AND TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (
            NEW.parent_id IS DISTINCT FROM OLD.parent_id
            OR NEW.parent_id IS NULL AND NEW.list_id IS DISTINCT FROM OLD.list_id
            OR came_back
               AND EXISTS (SELECT FROM {schema}.tasks WHERE user_id = NEW.user_id AND position = NEW.position
                              AND list_id IS NOT DISTINCT FROM NEW.list_id AND deleted_at IS NULL
                              AND parent_id IS NOT DISTINCT FROM NEW.parent_id)) THEN
        NEW.position := {schema}.position_between(
            {schema}.last_position(NEW.user_id, NEW.list_id, NEW.parent_id), NULL);
    END IF;
"""

# However many tasks an owner has, the last one is one step of an index. For an owner whom the statistics take for a small one,
# reading all of theirs looks as cheap to the planner: these settings leave it no other way.
LAST = """
CREATE FUNCTION {schema}.last_position(owner uuid, list uuid, parent uuid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, {schema}, pg_temp SET enable_sort = off SET enable_seqscan = off
AS $$
BEGIN
    IF parent IS NOT NULL THEN
        RETURN (SELECT position FROM tasks WHERE user_id = owner AND parent_id = parent AND deleted_at IS NULL
                   AND position IS NOT NULL ORDER BY position DESC LIMIT 1);
    ELSIF list IS NOT NULL THEN
        RETURN (SELECT position FROM tasks
                 WHERE user_id = owner AND list_id = list AND parent_id IS NULL AND deleted_at IS NULL
                   AND position IS NOT NULL ORDER BY position DESC LIMIT 1);
    END IF;
    RETURN (SELECT position FROM tasks
             WHERE user_id = owner AND list_id IS NULL AND parent_id IS NULL AND deleted_at IS NULL
               AND position IS NOT NULL ORDER BY position DESC LIMIT 1);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.last_position(uuid, uuid, uuid) FROM PUBLIC;
"""

# Giving rows from before their positions is no change of theirs: no number, no version.
FILLED = """
    IF TG_OP = 'UPDATE' AND current_setting('app.filling', true) = 'on' THEN
        RETURN NEW;
    END IF;
"""

BOOKS = _LABELS.BOOKS.replace(
    "    is_live boolean;\n",
    "    is_live boolean;\n    is_done boolean;\n    came_back boolean;\n    levels integer;\n    parent_list pg_catalog.uuid;\n",
)
TASK_BOOKS = BOOKS % (
    "keep_task_books",
    "",
    FILLED
    + _LISTS.OWNER_FIXED
    + _LISTS.NUMBERING
    + PLACE_RULE
    + POSITION_RULE
    + _LABELS.MEMBERS_RULE
    + _LISTS.TASK_STATE,
)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0014_external_id_index")]

    operations = [
        migrations.AddField("task", "parent_id", models.UUIDField(blank=True, null=True, verbose_name="parent")),
        migrations.AddField("task", "position", models.TextField(db_collation="C", editable=False, null=True)),
        migrations.AddField("task", "completed_with", models.UUIDField(blank=True, editable=False, null=True)),
        run(LEVELS, "DROP FUNCTION {schema}.task_levels(uuid, uuid, uuid);"),
        run(LAST, "DROP FUNCTION {schema}.last_position(uuid, uuid, uuid);"),
        # Deferred, because an account is erased, and a subtree purged, in any order. Not valid for what is there: no
        # task has a parent yet.
        run(
            "ALTER TABLE tasks ADD CONSTRAINT tasks_parent_of_owner FOREIGN KEY (user_id, parent_id)"
            " REFERENCES tasks (user_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID;"
            "GRANT INSERT (parent_id), UPDATE (parent_id, position) ON tasks TO todo_api;",
            "REVOKE INSERT (parent_id), UPDATE (parent_id, position) ON tasks FROM todo_api;"
            "ALTER TABLE tasks DROP CONSTRAINT tasks_parent_of_owner;",
        ),
        run(TASK_BOOKS, _LABELS.TASK_BOOKS),
    ]
