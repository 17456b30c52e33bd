"""The database's fence around accounts: two roles without rights of their own, and the token check.

`open_request` is the first half of every API request: it finds the token by its digest, refuses it or binds its user
for the transaction. It is SECURITY DEFINER so that nobody but the owner ever reads users or access_tokens whole.
Every name in it is qualified: a caller's search_path must not decide what it reads.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# Roles belong to the whole server, so another database of it may have made them, even at this moment.
MAKE_ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT {role} TO CURRENT_USER;
GRANT USAGE ON SCHEMA {schema} TO {role};
"""

DROP_ROLE = """
DROP OWNED BY {role};
DO $$ BEGIN
    DROP ROLE {role};
EXCEPTION WHEN dependent_objects_still_exist THEN NULL; -- another database of this server uses it
END $$;
"""

CURRENT_USER_ID = """
CREATE FUNCTION {schema}.current_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
-- After a transaction a local setting reads as the empty string, not as NULL.
RETURN nullif(current_setting('app.user_id', true), '')::uuid;

CREATE FUNCTION {schema}.current_token_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.token_id', true), '')::uuid;
"""

DROP_CURRENT_USER_ID = """
DROP FUNCTION {schema}.current_user_id();
DROP FUNCTION {schema}.current_token_id();
"""

OPEN_REQUEST = """
CREATE FUNCTION {schema}.open_request(token_digest bytea, required_scope text) RETURNS uuid
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
    -- At most one write a minute, and none where another request is just doing it: nobody waits for a timestamp.
    IF token.last_used_at IS NULL OR token.last_used_at < statement_timestamp() - interval '1 minute' THEN
        UPDATE {schema}.access_tokens SET last_used_at = statement_timestamp()
         WHERE id = (SELECT id FROM {schema}.access_tokens WHERE id = token.id FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN token.user_id;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.open_request(bytea, text) FROM PUBLIC;
"""

# A row that was read, changed and saved whole brings back an old number; numbers of an owner never go back.
KEEP_CHANGE_NO = """
CREATE FUNCTION {schema}.keep_change_no() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.change_no := OLD.change_no;
    RETURN NEW;
END $$;
CREATE TRIGGER users_change_no BEFORE UPDATE ON users
    FOR EACH ROW WHEN (NEW.change_no < OLD.change_no) EXECUTE FUNCTION {schema}.keep_change_no();
"""

DROP_KEEP_CHANGE_NO = """
DROP TRIGGER users_change_no ON users;
DROP FUNCTION {schema}.keep_change_no();
"""

FENCE_USERS = """
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY users_own ON users TO todo_account
    USING (id = (SELECT current_user_id())) WITH CHECK (id = (SELECT current_user_id()));
GRANT SELECT (id, email, timezone, is_staff, created_at), UPDATE (timezone) ON users TO todo_account;

ALTER TABLE access_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY access_tokens_own ON access_tokens TO todo_account
    USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));
GRANT SELECT (id, user_id, kind, name, scopes, created_at, expires_at, last_used_at, revoked_at),
      INSERT (id, user_id, kind, name, digest, scopes, expires_at),
      UPDATE (revoked_at) ON access_tokens TO todo_account;
"""

UNFENCE_USERS = """
REVOKE ALL ON users, access_tokens FROM todo_account;
DROP POLICY access_tokens_own ON access_tokens;
ALTER TABLE access_tokens DISABLE ROW LEVEL SECURITY;
DROP POLICY users_own ON users;
ALTER TABLE users DISABLE ROW LEVEL SECURITY;
"""


def run(forward: str, backward: str, **names: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA, **names), backward.format(schema=SCHEMA, **names))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        run(MAKE_ROLE, DROP_ROLE, role="todo_api"),
        run(MAKE_ROLE, DROP_ROLE, role="todo_account"),
        run(CURRENT_USER_ID, DROP_CURRENT_USER_ID),
        run(KEEP_CHANGE_NO, DROP_KEEP_CHANGE_NO),
        run(OPEN_REQUEST, "DROP FUNCTION {schema}.open_request(bytea, text);"),
        run(FENCE_USERS, UNFENCE_USERS),
    ]
