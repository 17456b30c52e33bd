"""How many tasks an account may hold, the trash included: nobody fills the disk with a token.

They are counted for one new task in 256 (by the last byte of its key, which the server makes), and once in a
transaction: a count costs milliseconds, and so some microseconds a task. The limit may be passed by so many.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# The error is that of a constraint, with a name by which the API knows the rule. The number is a function of its
# own, which an operator may replace: only a superuser gives a database a setting of our own making.
REFUSE = """
CREATE FUNCTION {schema}.most_tasks() RETURNS bigint LANGUAGE sql STABLE RETURN 200000;
REVOKE EXECUTE ON FUNCTION {schema}.most_tasks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.most_tasks() TO todo_api;
CREATE FUNCTION {schema}.refuse_too_many_tasks() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    most bigint := {schema}.most_tasks();
    now_at text := pg_current_xact_id()::text;
BEGIN
    IF current_setting('app.tasks_counted', true) = now_at THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('app.tasks_counted', now_at, true);
    IF (SELECT count(*) FROM (
            SELECT FROM {schema}.tasks WHERE user_id = NEW.user_id LIMIT most + 1) AS held) > most THEN
        RAISE EXCEPTION 'an account may hold % tasks', most USING ERRCODE = '23514', CONSTRAINT = 'tasks_most_of_account';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_too_many_tasks() FROM PUBLIC;
CREATE TRIGGER tasks_not_too_many AFTER INSERT ON {schema}.tasks
    FOR EACH ROW WHEN (get_byte(uuid_send(NEW.key), 15) = 0) EXECUTE FUNCTION {schema}.refuse_too_many_tasks();
"""
ALLOW = """
DROP TRIGGER tasks_not_too_many ON {schema}.tasks;
DROP FUNCTION {schema}.refuse_too_many_tasks();
DROP FUNCTION {schema}.most_tasks();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0025_drop_words_index")]

    operations = [migrations.RunSQL(REFUSE.format(schema=SCHEMA), ALLOW.format(schema=SCHEMA))]
