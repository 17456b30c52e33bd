"""A statement that writes many tasks of an owner takes their numbers with one update of the owner's row.

Each row updating it again was quadratic: every update left a dead version that the next had to pass. Now the first row
of an owner takes its number as before; those after it, of the same statement, count on, and a trigger at the statement's
end writes how far they have come. And no change of an owner bears an earlier time than the one before it.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# `app.counted` is the owner of the row before and how many rows of theirs were counted since their number was written:
# '… 0' after the first. It ends with the transaction, or the part of it that is undone, as the owner's update does.
# Types and tables are named with their schema, so that nothing a session has made for itself is meant instead. (A
# search_path for the function would do, too, but costs a twentieth of a write.)
BOOKKEEPING = """
CREATE OR REPLACE FUNCTION {schema}.keep_task_books() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
    counted pg_catalog.text := current_setting('app.counted', true);
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.user_id <> OLD.user_id THEN
        RAISE EXCEPTION 'the owner of a task cannot change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'tasks_owner_fixed', TABLE = 'tasks';
    END IF;
    IF counted <> '' AND left(counted, 36) = NEW.user_id::pg_catalog.text THEN
        counted := concat(left(counted, 37), substr(counted, 38)::bigint + 1);
        SELECT change_no + substr(counted, 38)::bigint,
               greatest(clock_timestamp(), changed_at + substr(counted, 38)::bigint * interval '1 microsecond')
          INTO NEW.change_no, NEW.updated_at
          FROM {schema}.users WHERE id = NEW.user_id;
    ELSE
        IF counted <> '' THEN -- rows of another owner came before
            PERFORM {schema}.write_counted(counted);
        END IF;
        UPDATE {schema}.users
           SET change_no = change_no + 1,
               changed_at = greatest(clock_timestamp(), changed_at + interval '1 microsecond')
         WHERE id = NEW.user_id RETURNING change_no, changed_at INTO NEW.change_no, NEW.updated_at;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the owner of a task does not exist'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_owner_exists', TABLE = 'tasks';
        END IF;
        counted := concat(NEW.user_id, ' 0');
    END IF;
    counted := set_config('app.counted', counted, true);
    IF TG_OP = 'INSERT' THEN
        NEW.created_at := NEW.updated_at;
        NEW.version := 1;
    ELSE
        NEW.created_at := OLD.created_at;
        NEW.version := OLD.version + 1;
    END IF;
    IF NOT NEW.is_completed THEN
        NEW.completed_at := NULL;
    ELSIF NEW.completed_at IS NULL THEN
        NEW.completed_at := NEW.updated_at;
    END IF;
    -- A day stands where it begins in UTC, for everybody: an order cannot depend on who looks at it.
    NEW.sort_due := coalesce(NEW.due_at, NEW.due_on::timestamp AT TIME ZONE 'UTC',
                             timestamp with time zone '9999-12-31 23:59:59.999999+00');
    NEW.sort_title := left({schema}.fold(NEW.title), 255); -- folding may make one character many: an index has limits
    RETURN NEW;
END $$;
"""

WRITE_COUNTED = """
CREATE FUNCTION {schema}.write_counted(counted text) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF right(counted, 2) <> ' 0' THEN
        UPDATE {schema}.users
           SET change_no = change_no + substr(counted, 38)::bigint,
               changed_at = greatest(clock_timestamp(),
                                     changed_at + substr(counted, 38)::bigint * interval '1 microsecond')
         WHERE id = left(counted, 36)::pg_catalog.uuid;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.write_counted(text) FROM PUBLIC;
"""

# Without WHEN, which would be read anew for each statement: the function is quicker.
END_OF_STATEMENT = """
CREATE FUNCTION {schema}.write_task_numbers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
    counted pg_catalog.text := current_setting('app.counted', true);
BEGIN
    IF counted <> '' AND right(counted, 2) <> ' 0' THEN
        PERFORM {schema}.write_counted(counted);
        counted := set_config('app.counted', concat(left(counted, 36), ' 0'), true);
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.write_task_numbers() FROM PUBLIC;
CREATE TRIGGER tasks_numbers_written AFTER INSERT OR UPDATE ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.write_task_numbers();
"""

DROP_END_OF_STATEMENT = """
DROP TRIGGER tasks_numbers_written ON tasks;
DROP FUNCTION {schema}.write_task_numbers();
"""

_BEFORE = import_module("tasks.migrations.0002_fence").BOOKKEEPING.split("CREATE TRIGGER", 1)[0]


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0006_quick_words"), ("accounts", "0014_owner_first")]

    operations = [
        run(WRITE_COUNTED, "DROP FUNCTION {schema}.write_counted(text);"),
        run(END_OF_STATEMENT, DROP_END_OF_STATEMENT),
        run(BOOKKEEPING, _BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)),
    ]
