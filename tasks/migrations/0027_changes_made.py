"""How many things a request changes, and its last number; and that it changes no more than twenty thousand.

`open_request` notes the owner's number once it has the lock; what a statement and its triggers have changed is how far
the number has come. It is asked for behind each write, in the same round trip: a cascade is over only by then.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_OWNER_FIRST = import_module("accounts.migrations.0014_owner_first")

# `app.change_no` holds the number from which the request began and the last one that was told; it ends with the
# transaction, in which a batch may open more than once.
_LOCK = """
        PERFORM FROM {schema}.users WHERE id = owner AND is_active FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            PERFORM {schema}.wait_for_owner(owner, token);
        END IF;
"""
_LOCK_AND_NOTE = """
        SELECT change_no INTO number FROM {schema}.users WHERE id = owner AND is_active FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            PERFORM {schema}.wait_for_owner(owner, token);
            SELECT change_no INTO number FROM {schema}.users WHERE id = owner;
        END IF;
        setting := set_config('app.change_no', concat(coalesce(
            nullif(split_part(current_setting('app.change_no', true), ' ', 1), ''), number::pg_catalog.text), ' ', number), true);
"""
_BEFORE = _OWNER_FIRST.replaced(_OWNER_FIRST.OPEN_REQUEST).split("REVOKE", 1)[0]
OPEN_REQUEST = _BEFORE.replace(_LOCK, _LOCK_AND_NOTE).replace(
    "    setting pg_catalog.text;", "    number bigint;\n    setting pg_catalog.text;", 1
)

CHANGES_MADE = """
CREATE FUNCTION {schema}.changes_made(OUT affected bigint, OUT change_no bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    noted text[] := string_to_array(current_setting('app.change_no'), ' ');
    setting text;
BEGIN
    SELECT users.change_no INTO changes_made.change_no FROM users WHERE id = current_user_id();
    affected := changes_made.change_no - noted[2]::bigint;
    IF changes_made.change_no - noted[1]::bigint > 20000 THEN
        RAISE EXCEPTION 'too many changes' USING ERRCODE = '23514', CONSTRAINT = 'request_changes';
    END IF;
    setting := set_config('app.change_no', concat(noted[1], ' ', changes_made.change_no), true);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.changes_made() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.changes_made() TO todo_api;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0026_most_tasks"), ("accounts", "0014_owner_first")]

    operations = [
        run(OPEN_REQUEST, _BEFORE),
        run(CHANGES_MADE, "DROP FUNCTION {schema}.changes_made();"),
    ]
