"""Undo an action: whatever one transaction has changed, all or nothing, as a new change.

Each thing gets back what the action took from it, unless somebody has changed that since. It is written as its owner would
write it, and every rule of lists, trees and places holds: what they refuse is a conflict, too.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_HISTORY = import_module("tasks.migrations.0038_history")


def assignments(columns: tuple[str, ...]) -> str:
    """Return the assignments of all columns but the place, which is found anew."""
    return ", ".join(f"{column} = wanted.{column}" for column in columns if column != "position")


# What became of each thing, as one: of a column that changed twice, what came first is what it was.
THINGS = """
CREATE FUNCTION {schema}.things_of_action(owner uuid, first bigint)
RETURNS TABLE (kind text, entity_id uuid, began bigint, ended bigint, is_new boolean, is_purged boolean, was jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT changes.kind, changes.entity_id, min(changes.change_no), max(changes.change_no), bool_or(event = 'created'),
           bool_or(before IS NULL AND event <> 'created'),
           coalesce(jsonb_object_agg(member.key, member.value ORDER BY changes.change_no DESC)
                    FILTER (WHERE member.key IS NOT NULL), '{{}}')
      FROM changes LEFT JOIN LATERAL jsonb_each(changes.before) AS member ON true
     WHERE changes.user_id = owner AND changes.change_no >= first
       -- A transaction's numbers follow one another: nobody else of this owner writes meanwhile.
       AND changes.change_no < coalesce((SELECT later.change_no FROM changes AS later
                                          WHERE later.user_id = owner AND later.change_no > first AND later.action <> first
                                          ORDER BY later.change_no LIMIT 1), 9223372036854775807)
       AND event <> 'respaced'
     GROUP BY changes.kind, changes.entity_id
$$;
REVOKE EXECUTE ON FUNCTION {schema}.things_of_action(uuid, bigint) FROM PUBLIC;

CREATE FUNCTION {schema}.present_change(owner uuid, kind text, entity uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT change_no FROM tasks WHERE present_change.kind = 'task' AND user_id = owner AND id = entity
    UNION ALL
    SELECT change_no FROM lists WHERE present_change.kind = 'list' AND user_id = owner AND id = entity
$$;
REVOKE EXECUTE ON FUNCTION {schema}.present_change(uuid, text, uuid) FROM PUBLIC;
"""

# Members that the action changed and somebody else has changed since; of what it made, all. Marks of what took a task
# along are nobody's, and where a series stands is told by its occurrence.
CHANGED_SINCE = """
CREATE FUNCTION {schema}.changed_since(owner uuid, present bigint, ended bigint, was jsonb, is_new boolean) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    WITH RECURSIVE later (change_no) AS (
        SELECT present WHERE present > ended
        UNION ALL
        SELECT changes.previous FROM later
          JOIN changes ON changes.user_id = owner AND changes.change_no = later.change_no
         WHERE changes.previous > ended)
    SELECT array_agg(DISTINCT key ORDER BY key) FROM later
      JOIN changes ON changes.user_id = owner AND changes.change_no = later.change_no, jsonb_object_keys(before) AS key
     WHERE event <> 'respaced' AND (is_new OR was ? key) AND key NOT IN ('deleted_with', 'completed_with', 'series')
$$;
REVOKE EXECUTE ON FUNCTION {schema}.changed_since(uuid, bigint, bigint, jsonb, boolean) FROM PUBLIC;
"""

# ruff: noqa: S608 -- composed of our own SQL
# The place that a thing had, unless another now stands there: then it is the last.
PUT_BACK = f"""
CREATE FUNCTION {{schema}}.put_task_back(owner uuid, entity uuid, was jsonb, goes boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {{schema}}, pg_temp
AS $$
DECLARE
    present tasks;
    wanted tasks;
BEGIN
    SELECT * INTO present FROM tasks WHERE user_id = owner AND id = entity;
    wanted := jsonb_populate_record(present, was);
    wanted.deleted_at := CASE WHEN goes THEN coalesce(present.deleted_at, statement_timestamp()) ELSE wanted.deleted_at END;
    -- The first place of one list may be called as that of another: then only the list is in the log.
    IF was ?| ARRAY['position', 'list_id', 'parent_id'] AND (wanted.position, wanted.list_id, wanted.parent_id)
        IS DISTINCT FROM (present.position, present.list_id, present.parent_id) THEN
        wanted.position := '!' || CASE WHEN EXISTS (
            SELECT FROM siblings(owner, wanted.list_id, wanted.parent_id) AS sibling
             WHERE sibling.position = wanted.position AND sibling.id <> entity)
            THEN position_between(last_position(owner, wanted.list_id, wanted.parent_id), NULL) ELSE wanted.position END;
    END IF;
    UPDATE tasks SET position = wanted.position, {assignments(_HISTORY.TASK_COLUMNS)}
     WHERE key = present.key;
END $$;
REVOKE EXECUTE ON FUNCTION {{schema}}.put_task_back(uuid, uuid, jsonb, boolean) FROM PUBLIC;

CREATE FUNCTION {{schema}}.put_list_back(owner uuid, entity uuid, was jsonb, goes boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {{schema}}, pg_temp
AS $$
DECLARE
    present lists;
    wanted lists;
BEGIN
    SELECT * INTO present FROM lists WHERE user_id = owner AND id = entity;
    wanted := jsonb_populate_record(present, was);
    wanted.deleted_at := CASE WHEN goes THEN coalesce(present.deleted_at, statement_timestamp()) ELSE wanted.deleted_at END;
    IF was ? 'position' AND EXISTS (SELECT FROM lists WHERE user_id = owner AND id <> entity AND deleted_at IS NULL
                                       AND position = wanted.position) THEN
        wanted.position := position_between((SELECT max(position) FROM lists WHERE user_id = owner), NULL);
    END IF;
    UPDATE lists SET position = wanted.position, {assignments(_HISTORY.LIST_COLUMNS)}
     WHERE key = present.key;
END $$;
REVOKE EXECUTE ON FUNCTION {{schema}}.put_list_back(uuid, uuid, jsonb, boolean) FROM PUBLIC;
"""

# Lists come back before the tasks in them and go after them; what took others along comes before those, as it did then.
UNDO = """
CREATE FUNCTION {schema}.undo_change(number bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    owner uuid := current_user_id();
    first bigint := (SELECT action FROM changes WHERE user_id = owner AND change_no = number);
    conflicts jsonb;
    thing record;
BEGIN
    IF number < 1 OR number > (SELECT change_no FROM users WHERE id = owner) THEN
        RAISE EXCEPTION 'no such change' USING ERRCODE = '23503', CONSTRAINT = 'change_exists';
    ELSIF first IS NULL OR NOT EXISTS (SELECT FROM changes WHERE user_id = owner AND change_no = first)
        OR EXISTS (SELECT FROM things_of_action(owner, first)
                    WHERE is_purged OR present_change(owner, kind, entity_id) IS NULL) THEN
        RAISE EXCEPTION 'the log holds it no longer' USING ERRCODE = '23514', CONSTRAINT = 'change_kept';
    END IF;
    SELECT jsonb_agg(jsonb_build_object('kind', kind, 'id', entity_id, 'members', members) ORDER BY began) INTO conflicts
      FROM (SELECT kind, entity_id, began, changed_since(owner, present_change(owner, kind, entity_id), ended, was, is_new)
                   AS members
              FROM things_of_action(owner, first)) AS checked
     WHERE members IS NOT NULL;
    IF conflicts IS NOT NULL THEN
        RAISE EXCEPTION 'changed since' USING ERRCODE = '23514', CONSTRAINT = 'change_undone', DETAIL = conflicts;
    END IF;
    PERFORM set_config('app.series', 'on', true); -- what ended is ended again, without its occurrence
    FOR thing IN
        SELECT *, CASE kind WHEN 'list' THEN CASE WHEN goes THEN 4 ELSE 0 END
                            ELSE CASE WHEN goes THEN 3 WHEN was ? 'deleted_at' THEN 1 ELSE 2 END END AS turn
          FROM (SELECT *, is_new OR was->>'deleted_at' IS NOT NULL AS goes FROM things_of_action(owner, first)) AS things
         ORDER BY turn, began
    LOOP
        BEGIN
            IF thing.kind = 'task' THEN
                PERFORM put_task_back(owner, thing.entity_id, CASE WHEN thing.is_new THEN '{{}}' ELSE thing.was END, thing.goes);
            ELSE
                PERFORM put_list_back(owner, thing.entity_id, CASE WHEN thing.is_new THEN '{{}}' ELSE thing.was END, thing.goes);
            END IF;
        EXCEPTION WHEN integrity_constraint_violation THEN -- any of class 23
            RAISE EXCEPTION 'changed since' USING ERRCODE = '23514', CONSTRAINT = 'change_undone',
                DETAIL = jsonb_build_array(jsonb_build_object('kind', thing.kind, 'id', thing.entity_id, 'members', '[]'::jsonb));
        END;
    END LOOP;
    PERFORM set_config('app.series', 'off', true);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.undo_change(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.undo_change(bigint) TO todo_api;

-- From which number on the things are that this transaction has changed.
CREATE FUNCTION {schema}.transaction_began() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, {schema}, pg_temp
RETURN split_part(current_setting('app.change_no', true), ' ', 1)::bigint;
REVOKE EXECUTE ON FUNCTION {schema}.transaction_began() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.transaction_began() TO todo_api;
"""


def run(forward: str, *names: str) -> migrations.RunSQL:
    dropped = "".join(f"DROP FUNCTION {SCHEMA}.{name};" for name in names)
    return migrations.RunSQL(forward.format(schema=SCHEMA), dropped)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0038_history")]

    operations = [
        run(THINGS, "things_of_action(uuid, bigint)", "present_change(uuid, text, uuid)"),
        run(CHANGED_SINCE, "changed_since(uuid, bigint, bigint, jsonb, boolean)"),
        run(PUT_BACK, "put_task_back(uuid, uuid, jsonb, boolean)", "put_list_back(uuid, uuid, jsonb, boolean)"),
        run(UNDO, "undo_change(bigint)", "transaction_began()"),
    ]
