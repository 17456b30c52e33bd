"""The log of changes: what each one was, who made it and what was there before.

Each change that takes a number has one row, written by the trigger that comes right after the row's own. It leads to the
row's change before (`previous`), so that the history of one thing is read by the primary key alone. `action` is the first
number of the transaction: what a request has done is undone as one.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

TASK_COLUMNS = (
    *("title", "description", "is_completed", "completed_at", "completed_with", "priority", "list_id", "parent_id"),
    *("position", "labels", "starts_on", "external_id", "due_on", "due_at", "deleted_at", "deleted_with"),
    *("recurrence", "series", "occurrence", "recurrence_of", "reminders"),
)
LIST_COLUMNS = ("name", "color", "is_archived", "archived_at", "position", "deleted_at")

# Whoever writes runs this, so it names all with their schema (0008 says why). What was there before is one expression
# of all columns: some µs, where JSON is made of those only that have changed.
LOG = """
CREATE FUNCTION {{schema}}.log_{kind}_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
    before pg_catalog.jsonb;
    event pg_catalog.text := 'created';
    actions pg_catalog.text := current_setting('app.actions', true);
    place integer := strpos(actions, NEW.user_id::pg_catalog.text);
    action bigint := NEW.change_no;
    kind_of_actor pg_catalog.text := 'staff';
    actor pg_catalog.text := current_setting('app.actor', true);
BEGIN
    IF NEW.change_no = coalesce(OLD.change_no, 0) THEN -- it took no number: no change of the owner's
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := concat('{{{{', concat_ws(',',
{members}), '}}}}')::pg_catalog.jsonb;
        event := CASE WHEN current_setting('app.spacing', true) = 'on' THEN 'respaced' {events} ELSE 'updated' END;
    END IF;
    -- The first number of the transaction, for each owner that it writes for.
    IF place > 0 THEN
        action := split_part(substr(actions, place + 37), ' ', 1)::bigint;
    ELSE
        actions := set_config('app.actions', concat(actions, NEW.user_id, ' ', action, ' '), true);
    END IF;
    IF actor IS NULL OR actor = '' THEN
        actor := current_setting('app.token_id', true);
        kind_of_actor := CASE WHEN actor <> '' THEN 'token' ELSE 'system' END;
    END IF;
    INSERT INTO {{schema}}.changes (user_id, change_no, action, at, event, kind, entity_id, version, previous,
                                  actor_kind, actor_id, request_id, before)
    VALUES (NEW.user_id, NEW.change_no, action, NEW.updated_at, event, '{kind}', NEW.id, NEW.version, OLD.change_no,
            kind_of_actor, nullif(actor, '')::pg_catalog.uuid, coalesce(current_setting('app.request_id', true), ''), before);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {{schema}}.log_{kind}_change() FROM PUBLIC;
-- The name comes before those of the cascades: what began them is logged first.
CREATE TRIGGER {table}_are_logged AFTER INSERT OR UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {{schema}}.log_{kind}_change();
"""
_MEMBER = (
    "            CASE WHEN NEW.{0} IS DISTINCT FROM OLD.{0}"
    """ THEN '"{0}":' || coalesce(to_json(OLD.{0})::pg_catalog.text, 'null') END"""
)
# The first that fits; the same for both kinds, as far as they have it.
_COMES_AND_GOES = (
    "WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN 'deleted'"
    " WHEN OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN 'restored'"
)
TASK_EVENTS = (
    f"{_COMES_AND_GOES} WHEN before ? 'occurrence' AND current_setting('app.series', true) = 'completed'"
    " THEN 'occurrence_completed' WHEN NEW.is_completed AND NOT OLD.is_completed THEN 'completed'"
    " WHEN OLD.is_completed AND NOT NEW.is_completed THEN 'reopened'"
    " WHEN before ?| ARRAY['list_id', 'parent_id', 'position'] THEN 'moved'"
)
LIST_EVENTS = f"{_COMES_AND_GOES} WHEN before ? 'position' THEN 'moved'"


def log(kind: str, table: str, columns: tuple[str, ...], events: str) -> str:
    """Return the trigger that logs the changes of a table."""
    members = ",\n".join(_MEMBER.format(column) for column in columns)
    return LOG.format(kind=kind, table=table, members=members, events=events)


FENCE = """
ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY changes_own ON changes TO todo_api USING (user_id = (SELECT current_user_id()));
GRANT SELECT ON changes TO todo_api;

-- No foreign key: the owner's row is locked while one is written, and looking for it once more costs a twentieth.
CREATE FUNCTION {schema}.forget_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    DELETE FROM changes WHERE user_id = OLD.id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.forget_changes() FROM PUBLIC;
CREATE TRIGGER users_changes_forgotten AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION {schema}.forget_changes();

-- What the owner called the token; null once it is purged.
CREATE FUNCTION {schema}.own_token_name(token uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    RETURN (SELECT name FROM access_tokens WHERE id = token AND user_id = current_user_id());
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.own_token_name(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.own_token_name(uuid) TO todo_api;
"""

UNFENCE = """
DROP FUNCTION {schema}.own_token_name(uuid);
DROP FUNCTION {schema}.forget_changes() CASCADE;
"""

# What is purged is forgotten here, too: what it was called before, above all. That there were changes stays.
FORGET_PURGED = """
CREATE FUNCTION {schema}.forget_purged() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    WITH RECURSIVE chain (user_id, change_no) AS (
        SELECT user_id, change_no FROM gone WHERE user_id::text <> coalesce(current_setting('app.erasing', true), '')
        UNION ALL
        SELECT changes.user_id, changes.previous FROM chain
          JOIN changes ON changes.user_id = chain.user_id AND changes.change_no = chain.change_no
         WHERE changes.previous IS NOT NULL)
    UPDATE changes SET before = NULL FROM chain
     WHERE changes.user_id = chain.user_id AND changes.change_no = chain.change_no AND changes.before IS NOT NULL;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.forget_purged() FROM PUBLIC;
CREATE TRIGGER tasks_forgotten AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.forget_purged();
CREATE TRIGGER lists_forgotten AFTER DELETE ON lists REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.forget_purged();
"""

# Spacing siblings anew changes their keys and not their order: it is logged as that, and passed over by whoever reads.
_LISTS, _TREE = (import_module(f"tasks.migrations.{name}") for name in ("0012_list_rules", "0016_tree_cascade"))
PLACE_LIST_BEFORE = _LISTS.PLACE.split("REVOKE", 1)[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
PLACE_TASK_BEFORE = _TREE.PLACE.split("CREATE FUNCTION {schema}.siblings", 1)[0].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)


def spacing(function: str, spaced: str) -> str:
    """Return a function that says so while it spaces anew; `spaced` is the end of the statement that does."""
    head, tail = function.split("        UPDATE ", 1)
    update, tail = tail.split(spaced, 1)
    switch = "        PERFORM set_config('app.spacing', '{}', true);\n"
    return f"{head}{switch.format('on')}        UPDATE {update}{spaced}\n{switch.format('off').rstrip()}{tail}"


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0037_lists_by_change"), ("accounts", "0020_purged_no")]

    operations = [
        # Triggers come to users first and to tasks then. Whoever writes a task has locked that before its owner: in
        # the other order the two would wait for each other, and the one who writes would be told of a deadlock.
        migrations.RunSQL("LOCK TABLE tasks, users IN SHARE ROW EXCLUSIVE MODE;", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Change",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "user_id", "change_no", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("change_no", models.BigIntegerField()),
                ("action", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("event", models.TextField()),
                ("kind", models.TextField()),
                ("entity_id", models.UUIDField()),
                ("version", models.PositiveIntegerField()),
                ("previous", models.BigIntegerField(null=True)),
                ("actor_kind", models.TextField()),
                ("actor_id", models.UUIDField(null=True)),
                ("request_id", models.TextField(blank=True, default="")),
                ("before", models.JSONField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "changes", "default_permissions": ("view",)},
        ),
        run(FENCE, UNFENCE),
        run(
            spacing(PLACE_LIST_BEFORE, "lists.id = spaced.id;"),
            PLACE_LIST_BEFORE,
        ),
        run(spacing(PLACE_TASK_BEFORE, "tasks.id = spaced.id;"), PLACE_TASK_BEFORE),
        run(
            log("task", "tasks", TASK_COLUMNS, TASK_EVENTS),
            "DROP FUNCTION {schema}.log_task_change() CASCADE;",
        ),
        run(
            log("list", "lists", LIST_COLUMNS, LIST_EVENTS),
            "DROP FUNCTION {schema}.log_list_change() CASCADE;",
        ),
        run(FORGET_PURGED, "DROP FUNCTION {schema}.forget_purged() CASCADE;"),
    ]
