"""What a read replica needs: a token check that writes nothing there, and the revision of the owner's row.

And a token's last use is written less often: every ten minutes, not every one. With many users each of them was a
write, and a wait for the disk, in nearly every request that came after a pause.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# As in 0002, except for the interval, and the clause that lets it run where nothing can be written.
OPEN_REQUEST = """
CREATE OR REPLACE FUNCTION {schema}.open_request(token_digest bytea, required_scope text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    token record;
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
    PERFORM set_config('app.user_id', token.user_id::text, true),
            set_config('app.token_id', token.id::text, true);
    -- A pooled server session may be older than the schema and so know another path.
    IF current_setting('search_path') <> '{schema}' THEN
        PERFORM set_config('search_path', '{schema}', true);
    END IF;
    -- At most one write in that time, and none where another request is just doing it: nobody waits for a timestamp.
    IF (token.last_used_at IS NULL OR token.last_used_at < statement_timestamp() - interval '{interval}'){clause} THEN
        UPDATE {schema}.access_tokens SET last_used_at = statement_timestamp()
         WHERE id = (SELECT id FROM {schema}.access_tokens WHERE id = token.id FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN token.user_id;
END $$;
"""

# Every write of an owner's tasks takes the next number from the owner's row, which makes a new version of the row, and
# so do a new time zone or e-mail. xmin tells the versions apart; a physical replica has the very same ones.
OWN_REVISION = """
CREATE FUNCTION {schema}.own_revision() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT xmin::text FROM {schema}.users WHERE id = {schema}.current_user_id());
REVOKE EXECUTE ON FUNCTION {schema}.own_revision() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.own_revision() TO todo_api;
"""


# Every write of a task takes a number from its owner's row, so that row is written again and again. With room beside it
# the new version stays on the page, and no index of users has to learn of it (PostgreSQL's documentation, "HOT").
ROOM = "ALTER TABLE users SET (fillfactor = 70);"
NO_ROOM = "ALTER TABLE users RESET (fillfactor);"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_attempts")]

    operations = [
        migrations.RunSQL(
            OPEN_REQUEST.format(schema=SCHEMA, interval="10 minutes", clause="\n       AND NOT pg_is_in_recovery()"),
            OPEN_REQUEST.format(schema=SCHEMA, interval="1 minute", clause=""),
        ),
        migrations.RunSQL(ROOM, NO_ROOM),
        migrations.RunSQL(OWN_REVISION.format(schema=SCHEMA), f"DROP FUNCTION {SCHEMA}.own_revision();"),
    ]
