"""What an account may do to itself, as functions: read its own password hash, set a new one, erase everything.

`todo_account` can neither read nor write `password`, nor delete; these SECURITY DEFINER functions do it for the bound
user only. Each takes the hash that the caller has just checked the password against, and does nothing where that is no
longer the one. Every name is qualified: a caller's search_path must not decide what is read.

Locks are taken in one order, tokens (and what else belongs to the user) before the user's own row. A request under way
may hold its token or a task and wait for that row, to number a change; with the other order it and we would wait for
each other. What it has added meanwhile is found in a second pass, under the lock.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

FENCE = """
-- No policy and no grant: only the owner of the tables ever sees a link.
ALTER TABLE email_links ENABLE ROW LEVEL SECURITY;
GRANT SELECT (email_verified_at, is_active, last_login) ON users TO todo_account;
GRANT SELECT (rotated_at), UPDATE (expires_at, rotated_at) ON access_tokens TO todo_account;
"""

UNFENCE = """
REVOKE UPDATE (expires_at, rotated_at), SELECT (rotated_at) ON access_tokens FROM todo_account;
REVOKE SELECT (email_verified_at, is_active, last_login) ON users FROM todo_account;
ALTER TABLE email_links DISABLE ROW LEVEL SECURITY;
"""

UNVERIFY = """
CREATE FUNCTION {schema}.unverify_email() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.email_verified_at := NULL;
    RETURN NEW;
END $$;
-- Whoever changes the address, the admin too: nobody has proved to read the new one.
CREATE TRIGGER users_email_changed BEFORE UPDATE OF email ON users
    FOR EACH ROW WHEN (lower(NEW.email) <> lower(OLD.email)) EXECUTE FUNCTION {schema}.unverify_email();
"""

DROP_UNVERIFY = """
DROP TRIGGER users_email_changed ON users;
DROP FUNCTION {schema}.unverify_email();
"""

OWN_HASH = """
CREATE FUNCTION {schema}.own_password() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT password FROM {schema}.users WHERE id = {schema}.current_user_id());
REVOKE EXECUTE ON FUNCTION {schema}.own_password() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.own_password() TO todo_account;
"""

END_TOKENS = """
CREATE FUNCTION {schema}.end_tokens(owner uuid, spared uuid, also_personal boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    LOOP -- a token that was being rotated had a lock we waited for, and left a successor we could not see yet
        UPDATE {schema}.access_tokens SET revoked_at = statement_timestamp()
         WHERE user_id = owner AND id IS DISTINCT FROM spared AND revoked_at IS NULL
           AND (kind = 'session' OR also_personal);
        EXIT WHEN NOT FOUND;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.end_tokens(uuid, uuid, boolean) FROM PUBLIC;
"""

CHANGE = """
CREATE FUNCTION {schema}.change_password(known_password text, new_password text, also_personal boolean) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
    spared uuid := {schema}.current_token_id();
    address text;
BEGIN
    IF {schema}.own_password() IS DISTINCT FROM known_password THEN
        RETURN NULL;
    END IF;
    PERFORM {schema}.end_tokens(owner, spared, also_personal);
    UPDATE {schema}.users SET password = new_password
     WHERE id = owner AND password = known_password RETURNING email INTO address;
    IF NOT FOUND THEN -- another change was quicker; its tokens must not be ended for nothing
        RAISE EXCEPTION 'the password has just changed' USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM {schema}.end_tokens(owner, spared, also_personal);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    RETURN address;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.change_password(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.change_password(text, text, boolean) TO todo_account;
"""

# Called before anybody is known, by the owner of the tables.
RESET = """
CREATE FUNCTION {schema}.reset_password(link_digest bytea, new_password text, also_personal boolean)
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
    PERFORM {schema}.end_tokens(reset_password.user_id, NULL, also_personal);
    PERFORM FROM {schema}.users WHERE id = reset_password.user_id FOR UPDATE;
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
REVOKE EXECUTE ON FUNCTION {schema}.reset_password(bytea, text, boolean) FROM PUBLIC;
"""

# Tables are found by their column user_id, so that one that is added later cannot be forgotten.
OWNED_TABLES = """
CREATE FUNCTION {schema}.owned_tables() RETURNS TABLE (name name, key name)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT c.relname,
           (SELECT k.attname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_attribute k
                ON k.attrelid = x.indrelid AND k.attnum = x.indkey[0]
             WHERE x.indrelid = c.oid AND x.indisprimary AND x.indnkeyatts = 1 AND k.atttypid = 'uuid'::regtype)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND a.attname = 'user_id' AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped
     ORDER BY c.relname;
END;
REVOKE EXECUTE ON FUNCTION {schema}.owned_tables() FROM PUBLIC;
"""

ERASE_OWNED = """
CREATE FUNCTION {schema}.erase_owned(owner uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    owned record;
BEGIN
    FOR owned IN SELECT * FROM {schema}.owned_tables() LOOP
        IF owned.key IS NOT NULL THEN -- the admin's log tells titles and addresses, by primary key (only UUIDs mean one thing)
            EXECUTE format('DELETE FROM {schema}.django_admin_log WHERE object_id IN '
                           '(SELECT %I::text FROM {schema}.%I WHERE user_id = $1)', owned.key, owned.name) USING owner;
        END IF;
        EXECUTE format('DELETE FROM {schema}.%I WHERE user_id = $1', owned.name) USING owner;
    END LOOP;
    DELETE FROM {schema}.django_admin_log WHERE object_id = owner::text;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.erase_owned(uuid) FROM PUBLIC;
"""

REFUSE_REMAINS = """
CREATE FUNCTION {schema}.refuse_remains(owner uuid, address text) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    owned record;
    is_left boolean;
BEGIN
    FOR owned IN SELECT * FROM {schema}.owned_tables() LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM {schema}.%I WHERE user_id = $1)', owned.name) INTO is_left USING owner;
        IF is_left THEN
            RAISE EXCEPTION 'erasing left rows in %', owned.name;
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM {schema}.users WHERE id = owner)
        OR EXISTS (SELECT FROM {schema}.email_links WHERE lower(email) = lower(address))
        OR EXISTS (SELECT FROM {schema}.django_admin_log WHERE object_id = owner::text) THEN
        RAISE EXCEPTION 'erasing left traces of the user';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_remains(uuid, text) FROM PUBLIC;
"""

ERASE_ACCOUNT = """
CREATE FUNCTION {schema}.erase_account(known_password text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
    address text;
BEGIN
    IF {schema}.own_password() IS DISTINCT FROM known_password THEN
        RETURN false;
    END IF;
    PERFORM {schema}.erase_owned(owner);
    SELECT email INTO address FROM {schema}.users WHERE id = owner AND password = known_password FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the password has just changed' USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM {schema}.erase_owned(owner);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    DELETE FROM {schema}.users WHERE id = owner;
    PERFORM {schema}.refuse_remains(owner, address);
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.erase_account(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.erase_account(text) TO todo_account;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_email_links")]

    operations = [
        run(FENCE, UNFENCE),
        run(UNVERIFY, DROP_UNVERIFY),
        run(OWN_HASH, "DROP FUNCTION {schema}.own_password();"),
        run(END_TOKENS, "DROP FUNCTION {schema}.end_tokens(uuid, uuid, boolean);"),
        run(CHANGE, "DROP FUNCTION {schema}.change_password(text, text, boolean);"),
        run(RESET, "DROP FUNCTION {schema}.reset_password(bytea, text, boolean);"),
        run(OWNED_TABLES, "DROP FUNCTION {schema}.owned_tables();"),
        run(ERASE_OWNED, "DROP FUNCTION {schema}.erase_owned(uuid);"),
        run(REFUSE_REMAINS, "DROP FUNCTION {schema}.refuse_remains(uuid, text);"),
        run(ERASE_ACCOUNT, "DROP FUNCTION {schema}.erase_account(text);"),
    ]
