"""Lists: their fence and their books, and what holds of a list and its tasks.

A task that is not deleted is never in a list that is, nor in somebody else's: triggers say so under the owner's lock, and
a composite foreign key whatever happens. A task that comes back from the trash without its list is in the inbox.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# How a row of an owner takes its number (0007 says why so): the first of a statement from the owner, the others count on.
# Needs `counted`; shared by the books of tasks and lists, so that one statement may write both.
NUMBERING = """
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
            RAISE EXCEPTION 'the owner does not exist'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_TABLE_NAME || '_owner_exists', TABLE = TG_TABLE_NAME;
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
"""

OWNER_FIXED = """
    IF TG_OP = 'UPDATE' AND NEW.user_id <> OLD.user_id THEN
        RAISE EXCEPTION 'the owner cannot change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_TABLE_NAME || '_owner_fixed', TABLE = TG_TABLE_NAME;
    END IF;
"""

# The owner's row is locked by now, so nobody deletes the list meanwhile.
LIST_RULE = """
    IF NEW.list_id IS NOT NULL AND NEW.deleted_at IS NULL AND
       (TG_OP = 'INSERT' OR NEW.list_id IS DISTINCT FROM OLD.list_id OR OLD.deleted_at IS NOT NULL) THEN
        SELECT deleted_at IS NULL INTO is_live FROM {schema}.lists WHERE user_id = NEW.user_id AND id = NEW.list_id;
        IF TG_OP = 'UPDATE' AND is_live IS NOT TRUE AND NEW.list_id = OLD.list_id THEN
            NEW.list_id := NULL; -- back from the trash, and its list is still there
        ELSIF is_live IS NULL THEN
            RAISE EXCEPTION 'the list does not exist'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_list_exists', TABLE = 'tasks';
        ELSIF NOT is_live THEN
            RAISE EXCEPTION 'the list is deleted' USING ERRCODE = 'integrity_constraint_violation',
                CONSTRAINT = 'tasks_list_live', TABLE = 'tasks', DETAIL = NEW.list_id;
        END IF;
    END IF;
    IF NEW.deleted_at IS NULL THEN
        NEW.deleted_with := NULL;
    END IF;
"""

TASK_STATE = """
    IF NOT NEW.is_completed THEN
        NEW.completed_at := NULL;
    ELSIF NEW.completed_at IS NULL THEN
        NEW.completed_at := NEW.updated_at;
    END IF;
    -- A day stands where it begins in UTC, for everybody: an order cannot depend on who looks at it.
    NEW.sort_due := coalesce(NEW.due_at, NEW.due_on::timestamp AT TIME ZONE 'UTC',
                             timestamp with time zone '9999-12-31 23:59:59.999999+00');
    NEW.sort_title := left({schema}.fold(NEW.title), 255); -- folding may make one character many: an index has limits
"""

BOOKS = """
CREATE OR REPLACE FUNCTION {schema}.%s() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER %s
AS $$
DECLARE
    counted pg_catalog.text := current_setting('app.counted', true);
    is_live boolean;
BEGIN
    %s
    RETURN NEW;
END $$;
"""

# Each write of a task runs this one: a search_path of its own would cost, so it names all with their schema (0008).
TASK_BOOKS = BOOKS % ("keep_task_books", "", OWNER_FIXED + NUMBERING + LIST_RULE + TASK_STATE)

# A new list, and one that comes back where another now stands, is the last.
LIST_STATE = """
    IF NOT NEW.is_archived THEN
        NEW.archived_at := NULL;
    ELSIF NEW.archived_at IS NULL THEN
        NEW.archived_at := NEW.updated_at;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.position = '' OR TG_OP = 'UPDATE' AND OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL
        AND EXISTS (SELECT FROM {schema}.lists WHERE user_id = NEW.user_id AND position = NEW.position AND deleted_at IS NULL)
    THEN
        NEW.position := {schema}.position_between(
            (SELECT max(position) FROM {schema}.lists WHERE user_id = NEW.user_id), NULL);
    END IF;
"""

LIST_BOOKS = (
    BOOKS % ("keep_list_books", "SET search_path = pg_catalog, {schema}, pg_temp", OWNER_FIXED + NUMBERING + LIST_STATE)
    + """
REVOKE EXECUTE ON FUNCTION {schema}.keep_list_books() FROM PUBLIC;
CREATE TRIGGER lists_insert_books BEFORE INSERT ON lists
    FOR EACH ROW EXECUTE FUNCTION {schema}.keep_list_books();
CREATE TRIGGER lists_update_books BEFORE UPDATE ON lists
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION {schema}.keep_list_books();
CREATE TRIGGER lists_numbers_written AFTER INSERT OR UPDATE ON lists
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.write_task_numbers();
"""
)

# Whoever deletes a list says first what becomes of its tasks; it comes back with those that it took along.
CASCADE = """
CREATE FUNCTION {schema}.cascade_list() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS NULL THEN
        UPDATE {schema}.tasks SET deleted_at = NULL, deleted_with = NULL
         WHERE user_id = NEW.user_id AND deleted_at IS NOT NULL AND deleted_with = NEW.id;
    ELSIF EXISTS (SELECT FROM {schema}.tasks WHERE user_id = NEW.user_id AND list_id = NEW.id AND deleted_at IS NULL) THEN
        RAISE EXCEPTION 'the list has tasks' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'lists_empty', TABLE = 'lists';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.cascade_list() FROM PUBLIC;
CREATE TRIGGER lists_cascade AFTER UPDATE OF deleted_at ON lists
    FOR EACH ROW WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)) EXECUTE FUNCTION {schema}.cascade_list();
"""

# In the caller's role, behind the fence. `side` is 'before' or 'after' the neighbour, 'first' or 'last'. Where the keys
# have become long, or two are the same, all the others are spaced anew first.
PLACE = """
CREATE FUNCTION {schema}.place_list(list uuid, side text, neighbour uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
    place text;
    low text;
    high text;
BEGIN
    FOR attempt IN 1 .. 2 LOOP
        SELECT position INTO place FROM {schema}.lists
         WHERE user_id = owner AND id = neighbour AND id <> list AND deleted_at IS NULL;
        IF neighbour IS NOT NULL AND NOT FOUND THEN
            RAISE EXCEPTION 'the neighbour does not exist'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'lists_neighbour_' || side, TABLE = 'lists';
        END IF;
        low := CASE side WHEN 'after' THEN place WHEN 'first' THEN NULL ELSE (
            SELECT max(position) FROM {schema}.lists
             WHERE user_id = owner AND id <> list AND deleted_at IS NULL AND (place IS NULL OR position < place)) END;
        high := CASE side WHEN 'before' THEN place WHEN 'last' THEN NULL ELSE (
            SELECT min(position) FROM {schema}.lists
             WHERE user_id = owner AND id <> list AND deleted_at IS NULL AND (place IS NULL OR position > place)) END;
        place := {schema}.position_between(low, high);
        EXIT WHEN length(place) <= 100;
        UPDATE {schema}.lists SET position = spaced.place
          FROM (SELECT id, {schema}.position_at(row_number() OVER (ORDER BY position, id) - 1) AS place
                  FROM {schema}.lists WHERE user_id = owner AND id <> list AND deleted_at IS NULL) AS spaced
         WHERE lists.user_id = owner AND lists.id = spaced.id;
    END LOOP;
    RETURN place;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.place_list(uuid, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.place_list(uuid, text, uuid) TO todo_api;
"""

FENCE = """
ALTER TABLE lists ENABLE ROW LEVEL SECURITY;
CREATE POLICY lists_own ON lists TO todo_api
    USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT (key, id, user_id, name, color, is_archived),
      UPDATE (name, color, is_archived, position, deleted_at) ON lists TO todo_api;
GRANT INSERT (list_id), UPDATE (list_id, deleted_with) ON tasks TO todo_api;
"""

# Deferred, because an account is erased table by table. Not valid for what is there: no task has a list yet.
REFERENCE = """
ALTER TABLE tasks ADD CONSTRAINT tasks_list_of_owner FOREIGN KEY (user_id, list_id) REFERENCES lists (user_id, id)
    DEFERRABLE INITIALLY DEFERRED NOT VALID;
"""

# Rights are only ever added, as in accounts/0011. Permissions are made after all migrations: here they are made before.
STAFF = """
INSERT INTO django_content_type (app_label, model) VALUES ('tasks', 'tasklist') ON CONFLICT DO NOTHING;
INSERT INTO auth_permission (content_type_id, codename, name)
SELECT id, verb || '_tasklist', 'Can ' || verb || ' list'
  FROM django_content_type, unnest('{{add,change,delete,view}}'::text[]) AS verb
 WHERE app_label = 'tasks' AND model = 'tasklist' ON CONFLICT DO NOTHING;
INSERT INTO auth_group_permissions (group_id, permission_id)
SELECT auth_group.id, auth_permission.id
  FROM (VALUES ('Viewer', 'view'), ('Support', 'view'), ('Support', 'change'), ('Support', 'delete'),
               ('Administrator', 'view'), ('Administrator', 'change'), ('Administrator', 'delete'),
               ('Administrator', 'add')) AS rights (staff, verb)
  JOIN auth_group ON auth_group.name = staff JOIN auth_permission ON codename = verb || '_tasklist'
    ON CONFLICT DO NOTHING;
"""

_BEFORE = import_module("tasks.migrations.0007_one_number_update").BOOKKEEPING


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0011_lists"), ("accounts", "0016_confirm_email_change")]

    operations = [
        run(LIST_BOOKS, "DROP FUNCTION {schema}.keep_list_books() CASCADE;"),
        run(CASCADE, "DROP FUNCTION {schema}.cascade_list() CASCADE;"),
        run(PLACE, "DROP FUNCTION {schema}.place_list(uuid, text, uuid);"),
        run(
            FENCE,
            "DROP POLICY lists_own ON lists; ALTER TABLE lists DISABLE ROW LEVEL SECURITY;"
            "REVOKE ALL ON lists FROM todo_api; REVOKE INSERT (list_id), UPDATE (list_id, deleted_with) ON tasks FROM todo_api;",
        ),
        run(REFERENCE, "ALTER TABLE tasks DROP CONSTRAINT tasks_list_of_owner;"),
        run(TASK_BOOKS, _BEFORE),
        run(STAFF, ""),
    ]
