"""How many tasks, lists and different labels an account may hold.

Tasks were counted for one new task in 256, which alone was refused: all others went on. Now whoever is found full is
noted, and refused from then on, by the API: see accounts/0023. Labels are counted for one change of labels in 64. Lists are few, so
each new one is counted.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_MOST_TASKS = import_module("tasks.migrations.0026_most_tasks")
_CHANGES_MADE = import_module("tasks.migrations.0027_changes_made")

# Whoever writes holds the owner's row by then, and has read it: so it costs no look more to learn that it is full. One
# that was full is counted for certain.
_NOTE_FULL = """
        IF tasks_full IS NOT NULL THEN
            setting := set_config('app.tasks_full',
                                  CASE WHEN tasks_full > statement_timestamp() THEN 'yes' ELSE 'was' END, true);
        END IF;
        IF labels_full IS NOT NULL THEN
            setting := set_config('app.labels_full',
                                  CASE WHEN labels_full > statement_timestamp() THEN 'yes' ELSE 'was' END, true);
        END IF;
        setting := set_config('app.change_no', concat("""
OPEN_REQUEST = (
    _CHANGES_MADE.OPEN_REQUEST.replace(
        "SELECT change_no INTO number FROM {schema}.users",
        "SELECT change_no, tasks_full_until, labels_full_until INTO number, tasks_full, labels_full FROM {schema}.users",
    )
    .replace("\n        setting := set_config('app.change_no', concat(", _NOTE_FULL, 1)
    .replace(
        "    number bigint;\n",
        "    number bigint;\n    tasks_full timestamp with time zone;\n    labels_full timestamp with time zone;\n",
        1,
    )
)

# Whoever is full may still put a label on a task that another task has. Thousands of tasks whose label is renamed have
# all been given the same ones: they are looked for once.
LABELS = """
CREATE FUNCTION {schema}.most_labels() RETURNS bigint LANGUAGE sql STABLE RETURN 5000;
REVOKE EXECUTE ON FUNCTION {schema}.most_labels() FROM PUBLIC;
CREATE FUNCTION {schema}.refuse_too_many_labels(owner uuid, task uuid, added text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    state text := current_setting('app.labels_full', true);
    is_full boolean;
BEGIN
    IF current_setting('app.labels_counted', true) = 'yes' THEN
        RETURN;
    ELSIF state = 'yes' THEN
        IF added::text = current_setting('app.labels_known', true) THEN
            RETURN;
        ELSIF EXISTS (SELECT FROM unnest(added) AS label WHERE NOT EXISTS (
                SELECT FROM {schema}.tasks WHERE user_id = owner AND key <> task AND label = ANY (labels)))
        THEN
            RAISE EXCEPTION 'the account has as many labels as it may'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_most_labels_of_account', TABLE = 'tasks';
        END IF;
        PERFORM set_config('app.labels_known', added::text, true);
    ELSE
        PERFORM set_config('app.labels_counted', 'yes', true);
        is_full := {schema}.most_labels() <= (
            SELECT count(DISTINCT label) FROM {schema}.tasks, unnest(labels) AS label WHERE user_id = owner);
        IF is_full OR state = 'was' THEN
            UPDATE {schema}.users
               SET labels_full_until = CASE WHEN is_full THEN statement_timestamp() + interval '5 minutes' END
             WHERE id = owner;
        END IF;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_too_many_labels(uuid, uuid, text[]) FROM PUBLIC;
CREATE FUNCTION {schema}.refuse_more_labels() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    PERFORM {schema}.refuse_too_many_labels(
        NEW.user_id, NEW.key, ARRAY(SELECT unnest(NEW.labels) EXCEPT SELECT unnest(OLD.labels) ORDER BY 1));
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_more_labels() FROM PUBLIC;
CREATE TRIGGER tasks_not_too_many_labels AFTER UPDATE OF labels ON {schema}.tasks
    FOR EACH ROW WHEN (NOT NEW.labels <@ OLD.labels
                       AND (random() < 1 / 64.0 OR current_setting('app.labels_full', true) <> ''))
    EXECUTE FUNCTION {schema}.refuse_more_labels();
"""
LABELS_BEFORE = """
DROP TRIGGER tasks_not_too_many_labels ON {schema}.tasks;
DROP FUNCTION {schema}.refuse_more_labels();
DROP FUNCTION {schema}.refuse_too_many_labels(uuid, uuid, text[]);
DROP FUNCTION {schema}.most_labels();
"""

# What is counted in a transaction is counted once, and nothing after it refused, or the note would be undone with the
# rest. One trigger for tasks and their labels: a condition is read anew for each statement.
TASKS = """
CREATE OR REPLACE FUNCTION {schema}.refuse_too_many_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    state text := current_setting('app.tasks_full', true);
    most bigint;
    is_full boolean;
BEGIN
    IF NEW.labels <> '{{}}' THEN
        PERFORM {schema}.refuse_too_many_labels(NEW.user_id, NEW.key, NEW.labels);
    END IF;
    IF current_setting('app.tasks_counted', true) = 'yes' THEN
        RETURN NULL;
    ELSIF state = 'yes' THEN
        RAISE EXCEPTION 'the account holds as many tasks as it may'
            USING ERRCODE = '23514', CONSTRAINT = 'tasks_most_of_account';
    ELSIF state = 'was' OR get_byte(uuid_send(NEW.key), 15) = 0 THEN
        PERFORM set_config('app.tasks_counted', 'yes', true);
        most := {schema}.most_tasks();
        is_full := most <= (
            SELECT count(*) FROM (SELECT FROM {schema}.tasks t WHERE t.user_id = NEW.user_id LIMIT most) AS held);
        IF is_full OR state = 'was' THEN
            UPDATE {schema}.users
               SET tasks_full_until = CASE WHEN is_full THEN statement_timestamp() + interval '5 minutes' END
             WHERE id = NEW.user_id;
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER tasks_not_too_many AFTER INSERT ON {schema}.tasks
    FOR EACH ROW WHEN (get_byte(uuid_send(NEW.key), 15) = 0 OR current_setting('app.tasks_full', true) <> ''
                       OR NEW.labels <> '{{}}'
                          AND (random() < 1 / 64.0 OR current_setting('app.labels_full', true) <> ''))
    EXECUTE FUNCTION {schema}.refuse_too_many_tasks();
"""
TASKS_BEFORE = _MOST_TASKS.ALLOW + _MOST_TASKS.REFUSE

LISTS = """
CREATE FUNCTION {schema}.most_lists() RETURNS bigint LANGUAGE sql STABLE RETURN 5000;
REVOKE EXECUTE ON FUNCTION {schema}.most_lists() FROM PUBLIC;
CREATE FUNCTION {schema}.refuse_too_many_lists() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    IF (SELECT count(*) FROM (
            SELECT FROM {schema}.lists WHERE user_id = NEW.user_id LIMIT {schema}.most_lists() + 1) AS held)
       > {schema}.most_lists()
    THEN
        RAISE EXCEPTION 'the account holds as many lists as it may'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lists_most_of_account', TABLE = 'lists';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_too_many_lists() FROM PUBLIC;
CREATE TRIGGER lists_not_too_many AFTER INSERT ON {schema}.lists
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_too_many_lists();
"""
LISTS_BEFORE = """
DROP TRIGGER lists_not_too_many ON {schema}.lists;
DROP FUNCTION {schema}.refuse_too_many_lists();
DROP FUNCTION {schema}.most_lists();
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0039_undo"), ("accounts", "0023_quotas")]

    operations = [
        run(OPEN_REQUEST, _CHANGES_MADE.OPEN_REQUEST),
        run(LABELS, LABELS_BEFORE),
        run(TASKS, TASKS_BEFORE),
        run(LISTS, LISTS_BEFORE),
    ]
