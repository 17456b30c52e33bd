"""What a task's change does to its subtasks, and the place that a task is moved to."""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_LISTS = import_module("tasks.migrations.0012_list_rules")

# Whatever takes subtasks along is noted on them, and takes those back. One statement for the whole subtree.
CASCADE = """
CREATE FUNCTION {schema}.cascade_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    setting text;
    below uuid[];
BEGIN
    IF current_setting('app.cascade', true) = 'on' OR NEW.deleted_at IS NOT DISTINCT FROM OLD.deleted_at
        AND NOT EXISTS (SELECT FROM tasks WHERE user_id = NEW.user_id AND parent_id = NEW.id) THEN
        RETURN NULL;
    END IF;
    setting := set_config('app.cascade', 'on', true);
    IF OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN
        -- Where its parent is not among those that come back, a subtask stands at the top.
        UPDATE tasks AS task
           SET deleted_at = NULL, deleted_with = NULL, list_id = NEW.list_id,
               parent_id = CASE WHEN parent_id = NEW.id OR EXISTS (
                   SELECT FROM tasks AS parent WHERE parent.user_id = NEW.user_id AND parent.id = task.parent_id
                      AND parent.deleted_at IS NOT NULL AND parent.deleted_with = NEW.id) THEN parent_id END
         WHERE user_id = NEW.user_id AND deleted_at IS NOT NULL AND deleted_with = NEW.id;
        setting := set_config('app.cascade', 'off', true);
        RETURN NULL;
    END IF;
    WITH RECURSIVE tree (id) AS (
        SELECT id FROM tasks WHERE user_id = NEW.user_id AND parent_id = NEW.id AND deleted_at IS NULL
        UNION ALL
        SELECT child.id FROM tree JOIN tasks AS child ON child.user_id = NEW.user_id AND child.parent_id = tree.id
         WHERE child.deleted_at IS NULL)
    SELECT array_agg(id) INTO below FROM tree;
    IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN
        UPDATE tasks SET deleted_at = NEW.deleted_at, deleted_with = NEW.id WHERE user_id = NEW.user_id AND id = ANY (below);
    ELSE
        UPDATE tasks SET list_id = NEW.list_id
         WHERE user_id = NEW.user_id AND id = ANY (below) AND list_id IS DISTINCT FROM NEW.list_id;
        IF NEW.is_completed AND NOT OLD.is_completed THEN
            UPDATE tasks SET is_completed = true, completed_with = NEW.id
             WHERE user_id = NEW.user_id AND id = ANY (below) AND NOT is_completed;
        ELSIF OLD.is_completed AND NOT NEW.is_completed THEN
            UPDATE tasks SET is_completed = false, completed_with = NULL
             WHERE user_id = NEW.user_id AND id = ANY (below) AND completed_with = NEW.id;
        END IF;
    END IF;
    setting := set_config('app.cascade', 'off', true);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.cascade_task() FROM PUBLIC;
CREATE TRIGGER tasks_cascade AFTER UPDATE ON tasks
    FOR EACH ROW WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL) AND NEW.deleted_with IS NULL
                       OR OLD.is_completed <> NEW.is_completed AND NEW.completed_with IS NULL
                       OR OLD.list_id IS DISTINCT FROM NEW.list_id)
    EXECUTE FUNCTION {schema}.cascade_task();
"""

# What is open has nothing completed above it. Whatever that had taken along stays completed, and is marked by nothing.
OPEN_ABOVE = """
CREATE FUNCTION {schema}.open_above_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    setting text;
    above uuid[];
BEGIN
    IF current_setting('app.cascade', true) = 'on' THEN
        RETURN NULL;
    END IF;
    WITH RECURSIVE tree (id, parent_id, is_completed) AS (
        SELECT id, parent_id, is_completed FROM tasks WHERE user_id = NEW.user_id AND id = NEW.parent_id
        UNION ALL
        SELECT task.id, task.parent_id, task.is_completed
          FROM tree JOIN tasks AS task ON task.user_id = NEW.user_id AND task.id = tree.parent_id)
    SELECT array_agg(id) INTO above FROM tree WHERE is_completed;
    IF above IS NOT NULL THEN
        setting := set_config('app.cascade', 'on', true);
        UPDATE tasks SET is_completed = false, completed_with = NULL WHERE user_id = NEW.user_id AND id = ANY (above);
        setting := set_config('app.cascade', 'off', true);
        setting := set_config('app.filling', 'on', true);
        UPDATE tasks SET completed_with = NULL WHERE user_id = NEW.user_id AND completed_with = ANY (above);
        setting := set_config('app.filling', 'off', true);
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.open_above_task() FROM PUBLIC;
CREATE TRIGGER tasks_open_above_new AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NOT NEW.is_completed AND NEW.deleted_at IS NULL)
    EXECUTE FUNCTION {schema}.open_above_task();
CREATE TRIGGER tasks_open_above AFTER UPDATE ON tasks
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NOT NEW.is_completed AND NEW.deleted_at IS NULL
                       AND (OLD.is_completed OR OLD.parent_id IS DISTINCT FROM NEW.parent_id))
    EXECUTE FUNCTION {schema}.open_above_task();
"""

# As before, but a subtree comes back as one: a row's parent may be next.
CASCADE_LIST = """
CREATE OR REPLACE FUNCTION {schema}.cascade_list() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    setting text;
BEGIN
    IF NEW.deleted_at IS NULL THEN
        setting := set_config('app.cascade', 'on', true);
        UPDATE tasks AS task
           SET deleted_at = NULL, deleted_with = NULL,
               parent_id = CASE WHEN EXISTS (
                   SELECT FROM tasks AS parent WHERE parent.user_id = NEW.user_id AND parent.id = task.parent_id
                      AND parent.deleted_at IS NOT NULL AND parent.deleted_with = NEW.id) THEN parent_id END
         WHERE user_id = NEW.user_id AND deleted_at IS NOT NULL AND deleted_with = NEW.id;
        setting := set_config('app.cascade', 'off', true);
    ELSIF EXISTS (SELECT FROM tasks WHERE user_id = NEW.user_id AND list_id = NEW.id AND deleted_at IS NULL) THEN
        RAISE EXCEPTION 'the list has tasks' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'lists_empty', TABLE = 'lists';
    END IF;
    RETURN NULL;
END $$;
"""

# As place_list (0012), among the tasks of the same parent, or at the top of the same list.
PLACE = """
CREATE FUNCTION {schema}.place_task(task uuid, list uuid, parent uuid, side text, neighbour uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    owner uuid := current_user_id();
    place text;
    low text;
    high text;
BEGIN
    FOR attempt IN 1 .. 2 LOOP
        SELECT position INTO place FROM tasks
         WHERE user_id = owner AND id = neighbour AND id <> task AND deleted_at IS NULL AND parent_id IS NOT DISTINCT FROM parent
           AND (parent IS NOT NULL OR list_id IS NOT DISTINCT FROM list);
        IF neighbour IS NOT NULL AND NOT FOUND THEN
            RAISE EXCEPTION 'the neighbour does not exist'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_neighbour_' || side, TABLE = 'tasks';
        END IF;
        low := CASE side WHEN 'after' THEN place WHEN 'first' THEN NULL ELSE (
            SELECT max(position) FROM siblings(owner, list, parent) WHERE id <> task AND (place IS NULL OR position < place)) END;
        high := CASE side WHEN 'before' THEN place WHEN 'last' THEN NULL ELSE (
            SELECT min(position) FROM siblings(owner, list, parent) WHERE id <> task AND (place IS NULL OR position > place)) END;
        place := position_between(low, high);
        EXIT WHEN length(place) <= 100;
        UPDATE tasks SET position = '!' || spaced.place
          FROM (SELECT id, position_at(row_number() OVER (ORDER BY position, id) - 1) AS place
                  FROM siblings(owner, list, parent) WHERE id <> task) AS spaced
         WHERE tasks.user_id = owner AND tasks.id = spaced.id;
    END LOOP;
    RETURN '!' || place;
END $$;

CREATE FUNCTION {schema}.siblings(owner uuid, list uuid, parent uuid) RETURNS TABLE (id uuid, "position" text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF parent IS NOT NULL THEN
        RETURN QUERY SELECT id, position FROM tasks WHERE user_id = owner AND parent_id = parent AND deleted_at IS NULL;
    ELSIF list IS NOT NULL THEN
        RETURN QUERY SELECT id, position FROM tasks
                      WHERE user_id = owner AND list_id = list AND parent_id IS NULL AND deleted_at IS NULL;
    ELSE
        RETURN QUERY SELECT id, position FROM tasks
                      WHERE user_id = owner AND list_id IS NULL AND parent_id IS NULL AND deleted_at IS NULL;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.place_task(uuid, uuid, uuid, text, uuid), {schema}.siblings(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.place_task(uuid, uuid, uuid, text, uuid), {schema}.siblings(uuid, uuid, uuid) TO todo_api;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0015_tree")]

    operations = [
        run(CASCADE, "DROP FUNCTION {schema}.cascade_task() CASCADE;"),
        run(OPEN_ABOVE, "DROP FUNCTION {schema}.open_above_task() CASCADE;"),
        run(
            CASCADE_LIST, _LISTS.CASCADE.split("REVOKE", 1)[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        ),
        run(
            PLACE,
            "DROP FUNCTION {schema}.place_task(uuid, uuid, uuid, text, uuid), {schema}.siblings(uuid, uuid, uuid);",
        ),
    ]
