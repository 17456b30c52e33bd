"""The database's fence around tasks, and the trigger that keeps their bookkeeping columns for every writer."""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# How text is compared: whatever its case and however its characters are composed. Titles sort by it, words are found by
# it. Immutable is what lower() calls itself too; what it has made is stored, so a later Unicode disorders nothing.
FOLD = """
CREATE FUNCTION {schema}.fold(string text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower(normalize(string, NFKC));
"""

# SECURITY DEFINER because the number comes from the owner's row, which the API's role cannot touch. The UPDATE holds
# that row's lock until the write commits, so numbers of one owner appear in commit order.
BOOKKEEPING = """
CREATE FUNCTION {schema}.keep_task_books() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.user_id <> OLD.user_id THEN
        RAISE EXCEPTION 'the owner of a task cannot change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'tasks_owner_fixed', TABLE = 'tasks';
    END IF;
    UPDATE {schema}.users SET change_no = change_no + 1 WHERE id = NEW.user_id RETURNING change_no INTO NEW.change_no;
    NEW.updated_at := clock_timestamp();
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
    NEW.sort_due := coalesce(NEW.due_at, NEW.due_on::timestamp AT TIME ZONE 'UTC', timestamptz '9999-12-31 23:59:59.999999+00');
    NEW.sort_title := left({schema}.fold(NEW.title), 255); -- folding may make one character many: an index has limits
    RETURN NEW;
END $$;

CREATE TRIGGER tasks_insert_books BEFORE INSERT ON tasks
    FOR EACH ROW EXECUTE FUNCTION {schema}.keep_task_books();
-- A write that changes nothing is no change: completing a completed task leaves its version alone.
CREATE TRIGGER tasks_update_books BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION {schema}.keep_task_books();
"""

DROP_BOOKKEEPING = """
DROP TRIGGER tasks_update_books ON tasks;
DROP TRIGGER tasks_insert_books ON tasks;
DROP FUNCTION {schema}.keep_task_books();
"""

# Which day it is for the user whom the request has bound; the API's role cannot read users. A zone that Python knows
# and this server does not is no reason to fail.
OWNER_TODAY = """
CREATE FUNCTION {schema}.owner_today() RETURNS date
LANGUAGE plpgsql STABLE SECURITY DEFINER
AS $$
BEGIN
    RETURN (SELECT statement_timestamp() AT TIME ZONE timezone FROM {schema}.users
             WHERE id = {schema}.current_user_id());
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN statement_timestamp() AT TIME ZONE 'UTC';
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.owner_today() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.owner_today() TO todo_api;
"""

# Columns that are not granted cannot be written by the API whatever it sends: not the owner, not the books.
FENCE = """
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY tasks_own ON tasks TO todo_api
    USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));
GRANT SELECT,
      INSERT (key, id, user_id, title, description, is_completed, priority, due_on, due_at),
      UPDATE (title, description, is_completed, completed_at, priority, due_on, due_at, deleted_at) ON tasks TO todo_api;
"""

UNFENCE = """
REVOKE ALL ON tasks FROM todo_api;
DROP POLICY tasks_own ON tasks;
ALTER TABLE tasks DISABLE ROW LEVEL SECURITY;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial"), ("accounts", "0002_fence")]

    operations = [
        run(FOLD, "DROP FUNCTION {schema}.fold(text);"),
        run(BOOKKEEPING, DROP_BOOKKEEPING),
        run(OWNER_TODAY, "DROP FUNCTION {schema}.owner_today();"),
        run(FENCE, UNFENCE),
    ]
