"""Functions that cannot be bent, and that only those may call who need them.

What a session holds in its schema for temporary things is found before pg_catalog: a domain named `text`, made by
somebody who had got hold of the API's role, was run by the owner of the tables on the session's next request. So nobody
but the owner may make temporary things; every function that reads names when it runs has a search_path of its own, in
which they come last; and the few that each write runs, where that would cost a twentieth of it, name every type and table
with its schema. Functions whose body was parsed when they were made read no names any more.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# open_request could have no search_path in any case: it gives the session one.
QUALIFIED = (
    "open_request",
    "wait_for_owner",
    "note_use",
    "keep_task_books",
    "write_counted",
    "write_task_numbers",
    "task_words",
    "keep_change_no",
    "unverify_email",
    "refuse_audit_change",
)

# As in 0006, with the types qualified.
_WORDS = import_module("tasks.migrations.0006_quick_words")
TASK_WORDS = _WORDS.TASK_WORDS.replace("word text;", "word pg_catalog.text;").replace(
    "owned text[]", "owned pg_catalog.text[]"
)

_ALL = "SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace AND prokind = 'f'"
_PATH = f"""
DO $$
DECLARE
    function record;
BEGIN
    FOR function IN {_ALL} AND (prosecdef OR prosqlbody IS NULL) AND proname <> ALL ('{{{{{", ".join(QUALIFIED)}}}}}') LOOP
        EXECUTE format('ALTER FUNCTION %s %s', function.name, '%%s');
    END LOOP;
END $$;
"""
SET_PATH = _PATH.replace("%%s", "SET search_path = pg_catalog, {schema}, pg_temp")
RESET_PATH = _PATH.replace("%%s", "RESET search_path")

# Policies and the index on words are worked out in the role that writes.
CLOSE = """
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.current_user_id() TO todo_api, todo_account;
GRANT EXECUTE ON FUNCTION {schema}.current_token_id(), {schema}.claim_idempotency_key(bytea, interval) TO todo_account;
GRANT EXECUTE ON FUNCTION {schema}.fold(text), {schema}.words(text), {schema}.owned_word(uuid, text),
                          {schema}.task_words(uuid, text, text) TO todo_api;
"""

OPEN = """
REVOKE EXECUTE ON FUNCTION {schema}.current_user_id() FROM todo_api, todo_account;
REVOKE EXECUTE ON FUNCTION {schema}.current_token_id(), {schema}.claim_idempotency_key(bytea, interval) FROM todo_account;
REVOKE EXECUTE ON FUNCTION {schema}.fold(text), {schema}.words(text), {schema}.owned_word(uuid, text),
                           {schema}.task_words(uuid, text, text) FROM todo_api;
GRANT EXECUTE ON FUNCTION
    {schema}.current_user_id(), {schema}.current_token_id(), {schema}.claim_idempotency_key(bytea, interval),
    {schema}.fold(text), {schema}.words(text), {schema}.owned_word(uuid, text), {schema}.task_words(uuid, text, text),
    {schema}.search_query(uuid, text), {schema}.keep_change_no(), {schema}.unverify_email(),
    {schema}.refuse_audit_change(), {schema}.keep_audit_detail(), {schema}.keep_task_books() TO PUBLIC;
"""

# Only the owner of the database can; elsewhere `dbcheck` says who has to.
TEMPORARY = """
DO $$
BEGIN
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        EXECUTE format('%s TEMPORARY ON DATABASE %I %s PUBLIC', '{verb}', current_database(), '{preposition}');
    END IF;
END $$;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0007_one_number_update"), ("accounts", "0016_confirm_email_change")]

    operations = [
        run(TASK_WORDS, _WORDS.TASK_WORDS),
        run(SET_PATH, RESET_PATH),
        run(CLOSE, OPEN),
        migrations.RunSQL(
            TEMPORARY.format(verb="REVOKE", preposition="FROM"), TEMPORARY.format(verb="GRANT", preposition="TO")
        ),
    ]
