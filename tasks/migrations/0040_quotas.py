"""How many tasks, lists and different labels an account may hold.

Tasks were counted for one new task in 256, which alone was refused: all others went on. Now whoever is found full is
noted, and refused from then on: see accounts/0023. Labels are counted for one change of labels in 64. Lists are few, so
each new one is counted.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_MOST_TASKS = import_module("tasks.migrations.0026_most_tasks")

# What is counted in a transaction is counted once, and nothing after it refused, or the note would be undone with the
# rest.
TASKS = """
CREATE OR REPLACE FUNCTION {schema}.refuse_too_many_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    full_until timestamptz;
    most bigint;
    is_full boolean;
BEGIN
    IF current_setting('app.tasks_counted', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    SELECT u.tasks_full_until INTO full_until FROM {schema}.users u WHERE u.id = NEW.user_id;
    IF full_until > statement_timestamp() THEN
        RAISE EXCEPTION 'the account holds as many tasks as it may'
            USING ERRCODE = '23514', CONSTRAINT = 'tasks_most_of_account';
    END IF;
    IF full_until IS NULL AND get_byte(uuid_send(NEW.key), 15) <> 0 THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('app.tasks_counted', 'yes', true);
    most := {schema}.most_tasks();
    is_full := most <= (
        SELECT count(*) FROM (SELECT FROM {schema}.tasks t WHERE t.user_id = NEW.user_id LIMIT most) AS held);
    IF is_full OR full_until IS NOT NULL THEN
        UPDATE {schema}.users u
           SET tasks_full_until = CASE WHEN is_full THEN statement_timestamp() + interval '5 minutes' END
         WHERE u.id = NEW.user_id;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER tasks_not_too_many AFTER INSERT ON {schema}.tasks
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_too_many_tasks();
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

# Whoever is full may still put a label on a task that another task has. Thousands of tasks whose label is renamed have
# all been given the same ones: they are looked for once.
LABELS = """
CREATE FUNCTION {schema}.most_labels() RETURNS bigint LANGUAGE sql STABLE RETURN 5000;
REVOKE EXECUTE ON FUNCTION {schema}.most_labels() FROM PUBLIC;
CREATE FUNCTION {schema}.refuse_too_many_labels() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    full_until timestamptz;
    added text[];
    is_full boolean;
BEGIN
    IF current_setting('app.labels_counted', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    SELECT labels_full_until INTO full_until FROM {schema}.users WHERE id = NEW.user_id;
    IF full_until > statement_timestamp() THEN
        added := NEW.labels;
        IF TG_OP = 'UPDATE' THEN
            added := ARRAY(SELECT unnest(NEW.labels) EXCEPT SELECT unnest(OLD.labels) ORDER BY 1);
        END IF;
        IF added::text = current_setting('app.labels_known', true) THEN
            RETURN NULL;
        ELSIF EXISTS (SELECT FROM unnest(added) AS label WHERE NOT EXISTS (
                SELECT FROM {schema}.tasks
                 WHERE user_id = NEW.user_id AND key <> NEW.key AND label = ANY (labels)))
        THEN
            RAISE EXCEPTION 'the account has as many labels as it may'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_most_labels_of_account', TABLE = 'tasks';
        END IF;
        PERFORM set_config('app.labels_known', added::text, true);
    ELSIF full_until IS NOT NULL OR random() < 1 / 64.0 THEN
        PERFORM set_config('app.labels_counted', 'yes', true);
        is_full := {schema}.most_labels() <= (
            SELECT count(DISTINCT label) FROM {schema}.tasks, unnest(labels) AS label WHERE user_id = NEW.user_id);
        IF is_full OR full_until IS NOT NULL THEN
            UPDATE {schema}.users
               SET labels_full_until = CASE WHEN is_full THEN statement_timestamp() + interval '5 minutes' END
             WHERE id = NEW.user_id;
        END IF;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_too_many_labels() FROM PUBLIC;
CREATE TRIGGER tasks_not_too_many_labels AFTER INSERT ON {schema}.tasks
    FOR EACH ROW WHEN (NEW.labels <> '{{}}') EXECUTE FUNCTION {schema}.refuse_too_many_labels();
CREATE TRIGGER tasks_not_too_many_labels_still AFTER UPDATE OF labels ON {schema}.tasks
    FOR EACH ROW WHEN (NOT NEW.labels <@ OLD.labels) EXECUTE FUNCTION {schema}.refuse_too_many_labels();
"""
LABELS_BEFORE = """
DROP TRIGGER tasks_not_too_many_labels_still ON {schema}.tasks;
DROP TRIGGER tasks_not_too_many_labels ON {schema}.tasks;
DROP FUNCTION {schema}.refuse_too_many_labels();
DROP FUNCTION {schema}.most_labels();
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0039_undo"), ("accounts", "0023_quotas")]

    operations = [run(TASKS, TASKS_BEFORE), run(LISTS, LISTS_BEFORE), run(LABELS, LABELS_BEFORE)]
