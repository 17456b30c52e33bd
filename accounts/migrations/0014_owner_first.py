"""Every write of an owner's rows locks the owner's row first, so that no two writers can wait for each other.

`open_request` takes that lock, before the statement that comes after it in the same round trip: its snapshot is then
newer than the lock, and nothing it has read can be outdated. Erasing, a new password and a reset take it before tokens
and tasks, too. And time goes forward: an owner's changes never bear a time before the last one, and a bucket of
attempts never lacks more than its window, whatever the server's clock does.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

# Not SECURITY DEFINER: only the owner of the tables calls it, before a request takes on its role. Whatever a session may
# hold in its schema for temporary things is found before pg_catalog; so types and tables are named with their schema.
OPEN_REQUEST = """
CREATE FUNCTION {schema}.open_request(token_digest bytea, required_scopes text[], locks_owner boolean) RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    token pg_catalog.uuid;
    owner pg_catalog.uuid;
    held pg_catalog.text[];
    used timestamp with time zone;
    setting pg_catalog.text; -- what set_config returns, for which there is no use
BEGIN
    IF locks_owner THEN -- whether the owner is active, the lock will tell
        SELECT t.id, t.user_id, t.scopes, t.last_used_at INTO token, owner, held, used
          FROM {schema}.access_tokens t
         WHERE t.digest = token_digest
           AND t.revoked_at IS NULL
           AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp());
    ELSE
        SELECT t.id, t.user_id, t.scopes, t.last_used_at INTO token, owner, held, used
          FROM {schema}.access_tokens t JOIN {schema}.users u ON u.id = t.user_id
         WHERE t.digest = token_digest
           AND t.revoked_at IS NULL
           AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())
           AND u.is_active;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'invalid token' USING ERRCODE = '28000';
    END IF;
    IF NOT required_scopes <@ held THEN -- where none is required, any live token will do
        RAISE EXCEPTION 'scope missing' USING ERRCODE = 'TD403',
            DETAIL = array_to_string(held, ' '), HINT = array_to_string(required_scopes, ' ');
    END IF;
    IF locks_owner THEN
        -- Without waiting at first: nearly always nobody holds the row, and then no timeout need be set.
        PERFORM FROM {schema}.users WHERE id = owner AND is_active FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            PERFORM {schema}.wait_for_owner(owner, token);
        END IF;
    END IF;
    setting := set_config('app.user_id', owner::pg_catalog.text, true);
    setting := set_config('app.token_id', token::pg_catalog.text, true);
    -- A pooled server session may be older than the schema and so know another path.
    IF current_setting('search_path') <> '{schema}' THEN
        setting := set_config('search_path', '{schema}', true);
    END IF;
    IF used IS NULL OR used < statement_timestamp() - interval '10 minutes' THEN
        PERFORM {schema}.note_use(token);
    END IF;
    RETURN owner;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.open_request(bytea, text[], boolean) FROM PUBLIC;
"""

# An owner who is erased, or a token that is revoked, while a request waits: it ends as if it had come after that.
WAIT_FOR_OWNER = """
CREATE FUNCTION {schema}.wait_for_owner(owner uuid, token uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    before pg_catalog.text := current_setting('lock_timeout');
    setting pg_catalog.text;
BEGIN
    -- Whoever waits has a connection in hand, which others may need.
    setting := set_config('lock_timeout', '2s', true);
    PERFORM FROM {schema}.users WHERE id = owner AND is_active FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM {schema}.access_tokens WHERE id = token AND revoked_at IS NULL) THEN
        RAISE EXCEPTION 'invalid token' USING ERRCODE = '28000';
    END IF;
    setting := set_config('lock_timeout', before, true);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.wait_for_owner(uuid, uuid) FROM PUBLIC;
"""

# At most one write in ten minutes, none where another request is just doing it, and none where nothing can be written:
# nobody waits for a timestamp, and no request fails for its sake.
NOTE_USE = """
CREATE FUNCTION {schema}.note_use(token uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF current_setting('transaction_read_only') = 'off' THEN -- a replica always is
        UPDATE {schema}.access_tokens SET last_used_at = statement_timestamp()
         WHERE id = (SELECT id FROM {schema}.access_tokens WHERE id = token FOR UPDATE SKIP LOCKED);
    END IF;
EXCEPTION WHEN insufficient_resources THEN -- a full disk, above all
    NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.note_use(uuid) FROM PUBLIC;
"""

# What the last release calls. Its writes are known by their scope; some of its reads with this scope lock as well.
OPEN_REQUEST_OF_LAST_RELEASE = """
CREATE OR REPLACE FUNCTION {schema}.open_request(token_digest bytea, required_scope text) RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN {schema}.open_request(
        token_digest,
        array_remove(ARRAY[required_scope], NULL),
        coalesce(required_scope IN ('tasks:write', 'account'), false)
            AND current_setting('transaction_read_only') = 'off');
END $$;
"""

# Under the owner's lock, everything that writers before us have added can be seen, and nobody adds any more. Writers of
# the last release do not all lock first, so that end_tokens looks twice still.
CHANGE = """
CREATE OR REPLACE FUNCTION {schema}.change_password(known_password text, new_password text, also_personal boolean)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
    address text;
BEGIN
    PERFORM FROM {schema}.users WHERE id = owner FOR NO KEY UPDATE;
    UPDATE {schema}.users SET password = new_password
     WHERE id = owner AND password = known_password RETURNING email INTO address;
    IF NOT FOUND THEN -- wrong, or another change was quicker
        RETURN NULL;
    END IF;
    PERFORM {schema}.end_tokens(owner, {schema}.current_token_id(), also_personal);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    RETURN address;
END $$;
"""

RESET = """
CREATE OR REPLACE FUNCTION {schema}.reset_password(link_digest bytea, new_password text, also_personal boolean)
RETURNS TABLE (user_id uuid, address text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
    SELECT u.id INTO user_id
      FROM {schema}.email_links l JOIN {schema}.users u ON lower(u.email) = lower(l.email)
     WHERE l.digest = link_digest AND l.purpose = 'reset' AND l.expires_at > statement_timestamp() AND u.is_active;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM {schema}.users WHERE id = reset_password.user_id FOR NO KEY UPDATE;
    DELETE FROM {schema}.email_links WHERE digest = link_digest;
    IF NOT FOUND THEN -- somebody with the same link, or another one for this address, was quicker
        RETURN;
    END IF;
    UPDATE {schema}.users
       SET password = new_password, email_verified_at = coalesce(email_verified_at, statement_timestamp())
     WHERE id = reset_password.user_id AND is_active RETURNING email INTO address;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM {schema}.end_tokens(reset_password.user_id, NULL, also_personal);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    RETURN NEXT;
END $$;
"""

ERASE_ACCOUNT = """
CREATE OR REPLACE FUNCTION {schema}.erase_account(known_password text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
    address text;
BEGIN
    SELECT email INTO address FROM {schema}.users WHERE id = owner AND password = known_password FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM {schema}.erase_owned(owner);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    DELETE FROM {schema}.users WHERE id = owner;
    PERFORM {schema}.refuse_remains(owner, address);
    RETURN true;
END $$;
"""

ERASE_USER = """
CREATE OR REPLACE FUNCTION {schema}.erase_user(owner uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    owned record;
    rows bigint;
    counts jsonb := '{{}}';
    address text;
BEGIN
    SELECT email INTO address FROM {schema}.users WHERE id = owner FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR owned IN SELECT * FROM {schema}.owned_tables() LOOP
        EXECUTE format('SELECT count(*) FROM {schema}.%I WHERE user_id = $1', owned.name) INTO rows USING owner;
        counts := counts || jsonb_build_object(owned.name, rows);
    END LOOP;
    PERFORM {schema}.erase_owned(owner);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    DELETE FROM {schema}.users WHERE id = owner;
    PERFORM {schema}.refuse_remains(owner, address);
    RETURN counts;
END $$;
"""

# A row that was read, changed and saved whole brings back what the owner's last change has moved since. Both move together,
# so the trigger's condition, which every numbering evaluates, stays the short one of 0002.
KEEP_CHANGE_NO = """
CREATE OR REPLACE FUNCTION {schema}.keep_change_no() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.change_no := OLD.change_no;
    NEW.changed_at := OLD.changed_at;
    RETURN NEW;
END $$;
"""

_FENCE = import_module("accounts.migrations.0002_fence")
_FUNCTIONS = import_module("accounts.migrations.0006_account_functions")
_ATTEMPTS = import_module("accounts.migrations.0007_attempts")
_QUICK = import_module("accounts.migrations.0013_quick_token_check")

# A clock that was ahead and is set right must shut nobody out for longer than the window.
_FULL_AT = "greatest(bucket.full_at, moment)"
_FULL_WITHIN_WINDOW = "least(greatest(bucket.full_at, moment), moment + make_interval(secs => windows[i]))"


def replaced(function: str) -> str:
    """Return a function's text from an earlier migration, as one that replaces what is there."""
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


KEEP_CHANGE_NO_BEFORE = replaced(_FENCE.KEEP_CHANGE_NO).split("CREATE TRIGGER", 1)[0]
ERASE_USER_BEFORE = replaced(import_module("accounts.migrations.0010_audit_fence").ERASE_USER)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_quick_token_check")]
    unsafe = {"own-lock-timeout": "a function sets it where it is called; the migration itself sets none"}

    operations = [
        migrations.AddField("user", "changed_at", models.DateTimeField(editable=False, null=True)),
        run(KEEP_CHANGE_NO, KEEP_CHANGE_NO_BEFORE),
        run(WAIT_FOR_OWNER, "DROP FUNCTION {schema}.wait_for_owner(uuid, uuid);"),
        run(NOTE_USE, "DROP FUNCTION {schema}.note_use(uuid);"),
        run(OPEN_REQUEST, "DROP FUNCTION {schema}.open_request(bytea, text[], boolean);"),
        run(OPEN_REQUEST_OF_LAST_RELEASE, _QUICK.OPEN_REQUEST),
        run(CHANGE, replaced(_FUNCTIONS.CHANGE)),
        run(RESET, replaced(_FUNCTIONS.RESET)),
        run(ERASE_ACCOUNT, replaced(_FUNCTIONS.ERASE_ACCOUNT)),
        run(ERASE_USER, ERASE_USER_BEFORE),
        run(
            replaced(_ATTEMPTS.FUNCTION).replace(_FULL_AT, _FULL_WITHIN_WINDOW),
            replaced(_ATTEMPTS.FUNCTION),
        ),
    ]
