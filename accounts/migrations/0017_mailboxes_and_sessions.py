"""One mailbox is one account, people change their own e-mail and end their sessions, and what succeeds is given back.

The columns stay empty for addresses of plain ASCII, which are compared in lower case. The release before writes no
other: its rows are as right as they were.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

# Whoever changes the address, SQL and the release before too, must not leave the mailbox of another one.
PLAIN = r"""
CREATE FUNCTION {schema}.plain_mailbox() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.mailbox := '';
    RETURN NEW;
END $$;
CREATE TRIGGER users_plain_mailbox BEFORE UPDATE OF email ON {schema}.users
    FOR EACH ROW WHEN (NEW.mailbox <> '' AND NEW.email ~ '^[\x01-\x7f]*$') EXECUTE FUNCTION {schema}.plain_mailbox();
"""

DROP_PLAIN = """
DROP TRIGGER users_plain_mailbox ON {schema}.users;
DROP FUNCTION {schema}.plain_mailbox();
"""

# As in 0016, with the mailbox; and where the owner has asked, their sessions go on.
CONFIRM = """
CREATE OR REPLACE FUNCTION {schema}.confirm_email_change(code_digest bytea) RETURNS TABLE (id uuid, replaced text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
    change record;
BEGIN
    SELECT c.* INTO change
      FROM {schema}.email_changes c JOIN {schema}.users u ON u.id = c.user_id
     WHERE code_digest IN (c.old_digest, c.new_digest) AND c.expires_at > statement_timestamp()
       AND u.is_active AND u.email = c.replaces;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM {schema}.users WHERE id = change.user_id FOR NO KEY UPDATE; -- before their tokens, as everybody does
    DELETE FROM {schema}.email_changes WHERE id = change.id
       AND code_digest IN (old_digest, new_digest); -- asked for anew meanwhile, or used: this code is none any more
    IF NOT FOUND THEN
        RETURN;
    END IF;
    BEGIN
        UPDATE {schema}.users SET email = change.email, mailbox = change.mailbox,
               sessions_ended_at = CASE WHEN change.by_owner THEN sessions_ended_at ELSE statement_timestamp() END
         WHERE id = change.user_id AND email = change.replaces AND is_active;
    EXCEPTION WHEN unique_violation THEN -- the address is somebody else's since
        RETURN;
    END;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF code_digest = change.new_digest THEN -- the trigger has just said that nobody had proved the new address
        UPDATE {schema}.users SET email_verified_at = statement_timestamp() WHERE id = change.user_id;
    END IF;
    IF NOT change.by_owner THEN
        PERFORM {schema}.end_tokens(change.user_id, NULL, false);
    END IF;
    DELETE FROM {schema}.email_links WHERE lower(email) IN (lower(change.email), lower(change.replaces));
    confirm_email_change.id := change.user_id;
    confirm_email_change.replaced := change.replaces;
    RETURN NEXT;
END $$;
"""

# Returns the address before, nothing where the password is no longer the one that was confirmed.
CHANGE = """
CREATE FUNCTION {schema}.change_email(known_password text, new_email text, new_mailbox text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
    before text;
BEGIN
    SELECT email INTO before FROM {schema}.users WHERE id = owner AND password = known_password FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE {schema}.users SET email = new_email, mailbox = new_mailbox WHERE id = owner;
    DELETE FROM {schema}.email_changes WHERE user_id = owner;
    DELETE FROM {schema}.email_links WHERE lower(email) IN (lower(before), lower(new_email));
    RETURN before;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.change_email(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.change_email(text, text, text) TO todo_account;
"""

# Returns the address as it is and, where the new one is somebody's already, that account: nothing waits then.
ASK = """
CREATE FUNCTION {schema}.ask_email_change(known_password text, change uuid, new_email text, new_mailbox text,
                                          compared text, digests bytea[], lifetime interval)
RETURNS TABLE (before text, taken text, taken_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
BEGIN
    SELECT u.email INTO before FROM {schema}.users u
     WHERE u.id = owner AND u.password = known_password FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT u.email, u.id INTO taken, taken_id FROM {schema}.users u
     WHERE (lower(u.email) = lower(new_email) OR coalesce(nullif(u.mailbox, ''), lower(u.email)) = compared)
       AND u.id <> owner LIMIT 1;
    DELETE FROM {schema}.email_changes c WHERE c.user_id = owner;
    IF taken IS NULL THEN
        INSERT INTO {schema}.email_changes
               (id, user_id, email, mailbox, by_owner, replaces, old_digest, new_digest, expires_at)
        VALUES (change, owner, new_email, new_mailbox, true, before, digests[1], digests[2],
                statement_timestamp() + lifetime);
    END IF;
    RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.ask_email_change(text, uuid, text, text, text, bytea[], interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.ask_email_change(text, uuid, text, text, text, bytea[], interval) TO todo_account;
"""

LOGOUT = """
CREATE FUNCTION {schema}.logout_everywhere(also_personal boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $$
DECLARE
    owner uuid := {schema}.current_user_id();
BEGIN
    UPDATE {schema}.users SET sessions_ended_at = statement_timestamp() WHERE id = owner; -- the admin's
    PERFORM {schema}.end_tokens(owner, NULL, also_personal);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.logout_everywhere(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.logout_everywhere(boolean) TO todo_account;
"""

# One attempt, no more: whoever has an account of their own must not empty a bucket with it.
GIVE_BACK = """
CREATE FUNCTION {schema}.give_back_attempt(keys bytea[], quotas integer[], windows integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true); -- as in take_attempt
    FOR i IN 1 .. cardinality(keys) LOOP -- in the order in which they are taken
        UPDATE {schema}.attempt_buckets
           SET full_at = full_at - make_interval(secs => windows[i]::double precision / quotas[i])
         WHERE key = keys[i];
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.give_back_attempt(bytea[], integer[], integer[]) FROM PUBLIC;
"""

_OWNER_FIRST = import_module("accounts.migrations.0014_owner_first")
_LINKS_END = "    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);\n"
# Whoever had the old password may have asked for an address of theirs.
_CHANGES_END = "    DELETE FROM {schema}.email_changes c WHERE c.user_id = owner;\n"
CHANGE_PASSWORD = _OWNER_FIRST.CHANGE.replace(_LINKS_END, _LINKS_END + _CHANGES_END)
RESET = _OWNER_FIRST.RESET.replace(_LINKS_END, _LINKS_END + _CHANGES_END.replace("owner", "reset_password.user_id"))

_CONFIRM = import_module("accounts.migrations.0016_confirm_email_change").CONFIRM
CONFIRM_BEFORE = _CONFIRM.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


def mailbox(*, editable: bool = True) -> "models.CharField[str, str]":
    return models.CharField(blank=True, db_default="", default="", max_length=254, editable=editable)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_confirm_email_change")]

    operations = [
        migrations.AddField("user", "mailbox", mailbox(editable=False)),
        migrations.AddField("emaillink", "mailbox", mailbox()),
        migrations.AddField("emailchange", "mailbox", mailbox()),
        migrations.AddField("emailchange", "by_owner", models.BooleanField(db_default=False, default=False)),
        run(PLAIN, DROP_PLAIN),
        run(CONFIRM, CONFIRM_BEFORE),
        run(CHANGE_PASSWORD, _OWNER_FIRST.CHANGE),
        run(RESET, _OWNER_FIRST.RESET),
        run(CHANGE, "DROP FUNCTION {schema}.change_email(text, text, text);"),
        run(ASK, "DROP FUNCTION {schema}.ask_email_change(text, uuid, text, text, text, bytea[], interval);"),
        run(LOGOUT, "DROP FUNCTION {schema}.logout_everywhere(boolean);"),
        run(GIVE_BACK, "DROP FUNCTION {schema}.give_back_attempt(bytea[], integer[], integer[]);"),
    ]
