"""Series: what holds of a task that recurs, whoever writes, and how one moves on to its next occurrence.

The next occurrence is computed outside; what it is computed from is kept here, in `series`: the anchor (RFC 5545's
DTSTART, a day or the wall-clock time of the first due in the series' zone), the number of the present occurrence and its
day by the rule.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# Before the books (its trigger's name comes first), so that what it changes is a change. A differing rule begins the
# series anew at the due then in force; `named` says that the write itself has named the recurrence. A write of `series`
# is one that knows what it does: moving on, or undoing that. Plain tasks never come here.
KEEP_SERIES = """
CREATE FUNCTION {schema}.keep_series() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    is_named boolean := coalesce(NEW.recurrence ? 'named', false);
    is_given boolean := CASE TG_OP WHEN 'INSERT' THEN NEW.series IS NOT NULL ELSE NEW.series IS DISTINCT FROM OLD.series END;
    zone text;
    wall timestamp;
    broken text;
BEGIN
    NEW.recurrence := nullif(NEW.recurrence, 'null') - 'named';
    IF NEW.recurrence IS NOT NULL AND NEW.due_on IS NULL AND NEW.due_at IS NULL AND TG_OP = 'UPDATE' AND NOT is_named THEN
        NEW.recurrence := NULL; -- without a due nothing recurs
    END IF;
    IF NEW.recurrence IS NULL THEN
        NEW.series := NULL;
        NEW.occurrence := NULL;
        RETURN NEW;
    END IF;
    broken := CASE
        WHEN NEW.due_on IS NULL AND NEW.due_at IS NULL THEN 'tasks_recurrence_due'
        WHEN NEW.recurrence ->> 'rule' IS NULL OR length(NEW.recurrence ->> 'rule') > 500 THEN 'tasks_recurrence_rule'
        WHEN coalesce(NEW.recurrence ->> 'from', 'due') NOT IN ('due', 'completion')
             OR coalesce(NEW.recurrence ->> 'missed', 'skip') NOT IN ('skip', 'keep') THEN 'tasks_recurrence_words'
        WHEN NEW.is_completed AND (TG_OP = 'INSERT' OR NOT OLD.is_completed) AND NOT is_given
             AND current_setting('app.cascade', true) IS DISTINCT FROM 'on'
             AND current_setting('app.series', true) IS DISTINCT FROM 'on' THEN 'tasks_recurring' END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'a series that breaks a rule' USING ERRCODE = '23514', CONSTRAINT = broken, TABLE = 'tasks';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.recurrence IS NOT DISTINCT FROM OLD.recurrence THEN
        RETURN NEW;
    END IF;
    zone := coalesce(NEW.recurrence ->> 'timezone', (SELECT timezone FROM users WHERE id = NEW.user_id));
    BEGIN
        wall := NEW.due_at AT TIME ZONE zone;
        PERFORM statement_timestamp() AT TIME ZONE zone;
    EXCEPTION WHEN invalid_parameter_value THEN
        IF NEW.recurrence ? 'timezone' THEN
            RAISE EXCEPTION 'no such zone' USING ERRCODE = '23514', CONSTRAINT = 'tasks_recurrence_timezone', TABLE = 'tasks';
        END IF;
        zone := 'UTC'; -- one that Python knows and this server does not
        wall := NEW.due_at AT TIME ZONE zone;
    END;
    NEW.recurrence := jsonb_build_object('rule', NEW.recurrence ->> 'rule', 'from', coalesce(NEW.recurrence ->> 'from', 'due'),
                                         'timezone', zone, 'missed', coalesce(NEW.recurrence ->> 'missed', 'skip'));
    IF NOT is_given AND (TG_OP = 'INSERT' OR OLD.recurrence IS NULL
                         OR NEW.recurrence -> 'rule' <> OLD.recurrence -> 'rule'
                         OR NEW.recurrence -> 'from' <> OLD.recurrence -> 'from') THEN
        wall := coalesce(wall, NEW.due_on);
        NEW.recurrence_of := NULL; -- a copy that recurs is a series of its own
        NEW.occurrence := coalesce(to_char(NEW.due_on::timestamp, 'YYYY-MM-DD'),
                                   to_char(NEW.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
        NEW.series := jsonb_build_object(
            'number', 1, 'day', to_char(wall, 'YYYY-MM-DD'), 'anchor',
            to_char(wall, CASE WHEN NEW.due_on IS NULL THEN 'YYYY-MM-DD"T"HH24:MI:SS.US' ELSE 'YYYY-MM-DD' END));
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.keep_series() FROM PUBLIC;
CREATE TRIGGER tasks_a_series_new BEFORE INSERT ON tasks
    FOR EACH ROW WHEN (NEW.recurrence IS NOT NULL) EXECUTE FUNCTION {schema}.keep_series();
CREATE TRIGGER tasks_a_series BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.recurrence IS NOT NULL OR NEW.recurrence IS NOT NULL) EXECUTE FUNCTION {schema}.keep_series();
"""

# In the caller's role, behind the fence. `seen` is the version that the next occurrence was computed from: of another one
# nothing is written. `following` is what the task becomes, NULL at the end of its series. With `copy`, an id, the occurrence
# is left behind as a completed task, unless there is such a one already. Gives the series, then the copy.
MOVE_SERIES = """
CREATE FUNCTION {schema}.move_series(
    owner uuid, task uuid, seen integer, following jsonb, done_at timestamptz, copy uuid) RETURNS SETOF {schema}.tasks
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    present tasks;
    setting text;
BEGIN
    SELECT * INTO present FROM tasks
     WHERE user_id = owner AND id = task AND deleted_at IS NULL AND version = seen
       AND recurrence IS NOT NULL AND NOT is_completed;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF following IS NULL THEN
        setting := set_config('app.series', 'on', true);
        RETURN QUERY UPDATE tasks SET is_completed = true, completed_at = done_at
                      WHERE user_id = owner AND id = task RETURNING tasks.*;
        setting := set_config('app.series', 'off', true);
        RETURN;
    END IF;
    -- For whoever keeps a log: completed or skipped, the row changes in the same way.
    setting := set_config('app.series', CASE WHEN copy IS NULL THEN 'skipped' ELSE 'completed' END, true);
    RETURN QUERY UPDATE tasks
        SET due_on = (following ->> 'due_on')::date, due_at = (following ->> 'due_at')::timestamptz,
            starts_on = (following ->> 'starts_on')::date, occurrence = following ->> 'occurrence',
            series = following -> 'series',
            reminders = (SELECT coalesce(jsonb_agg(one ORDER BY place), '[]')
                           FROM jsonb_array_elements(reminders) WITH ORDINALITY AS each (one, place) WHERE NOT one ? 'at')
      WHERE user_id = owner AND id = task RETURNING tasks.*;
    setting := set_config('app.series', 'off', true);
    -- What belongs under it is to be done again; copies of series among that are not.
    setting := set_config('app.cascade', 'on', true);
    WITH RECURSIVE tree (id) AS (
        SELECT child.id FROM tasks AS child WHERE child.user_id = owner AND child.parent_id = task AND child.deleted_at IS NULL
        UNION ALL
        SELECT child.id FROM tree JOIN tasks AS child ON child.user_id = owner AND child.parent_id = tree.id
         WHERE child.deleted_at IS NULL)
    UPDATE tasks SET is_completed = false
     WHERE user_id = owner AND id IN (SELECT tree.id FROM tree) AND is_completed AND recurrence_of IS NULL;
    setting := set_config('app.cascade', 'off', true);
    IF copy IS NOT NULL THEN
        RETURN QUERY SELECT * FROM tasks
          WHERE user_id = owner AND recurrence_of = task AND occurrence = present.occurrence AND deleted_at IS NULL;
        IF NOT FOUND THEN
            RETURN QUERY INSERT INTO tasks (
                    key, id, user_id, title, description, is_completed, completed_at, priority, list_id, parent_id, labels,
                    starts_on, due_on, due_at, occurrence, recurrence_of)
                VALUES (copy, copy, owner, present.title, present.description, true, done_at, present.priority, present.list_id,
                        present.parent_id, present.labels, present.starts_on, present.due_on, present.due_at,
                        present.occurrence, task)
                RETURNING tasks.*;
        END IF;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.move_series(uuid, uuid, integer, jsonb, timestamptz, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.move_series(uuid, uuid, integer, jsonb, timestamptz, uuid) TO todo_api;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0030_series")]

    operations = [
        run(KEEP_SERIES, "DROP FUNCTION {schema}.keep_series() CASCADE;"),
        run(
            MOVE_SERIES,
            "DROP FUNCTION {schema}.move_series(uuid, uuid, integer, jsonb, timestamptz, uuid);",
        ),
    ]
