"""The token check, quicker: what every request runs is written so that PL/pgSQL need not plan and start a query for it.

PERFORM is a query of its own; an assignment of an expression is not.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# As in 0008, except for the assignments.
OPEN_REQUEST = """
CREATE OR REPLACE FUNCTION {schema}.open_request(token_digest bytea, required_scope text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    token record;
    setting text; -- what set_config returns, for which there is no use
BEGIN
    SELECT t.id, t.user_id, t.scopes, t.last_used_at INTO token
      FROM {schema}.access_tokens t JOIN {schema}.users u ON u.id = t.user_id
     WHERE t.digest = token_digest
       AND t.revoked_at IS NULL
       AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())
       AND u.is_active;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'invalid token' USING ERRCODE = '28000';
    END IF;
    IF NOT coalesce(required_scope = ANY (token.scopes), true) THEN -- without a scope any live token will do
        RAISE EXCEPTION 'scope missing' USING ERRCODE = 'TD403',
            DETAIL = array_to_string(token.scopes, ' '), HINT = required_scope;
    END IF;
    setting := set_config('app.user_id', token.user_id::text, true);
    setting := set_config('app.token_id', token.id::text, true);
    -- A pooled server session may be older than the schema and so know another path.
    IF current_setting('search_path') <> '{schema}' THEN
        setting := set_config('search_path', '{schema}', true);
    END IF;
    -- At most one write in ten minutes, and none where another request is just doing it: nobody waits for a timestamp.
    IF (token.last_used_at IS NULL OR token.last_used_at < statement_timestamp() - interval '10 minutes')
       AND NOT pg_is_in_recovery() THEN
        UPDATE {schema}.access_tokens SET last_used_at = statement_timestamp()
         WHERE id = (SELECT id FROM {schema}.access_tokens WHERE id = token.id FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN token.user_id;
END $$;
"""

_BEFORE = import_module("accounts.migrations.0008_replica").OPEN_REQUEST


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_email_prefix")]

    operations = [
        migrations.RunSQL(
            OPEN_REQUEST.format(schema=SCHEMA),
            _BEFORE.format(schema=SCHEMA, interval="10 minutes", clause="\n       AND NOT pg_is_in_recovery()"),
        ),
    ]
