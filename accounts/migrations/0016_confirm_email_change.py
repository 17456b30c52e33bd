"""What becomes of another address for an account, asked for by staff, when the code from one of its mails comes back.

Called before anybody is known, by the owner of the tables, like `reset_password` (0020), and with its order of locks.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

FENCE = """
-- No policy and no grant: only the owner of the tables ever sees a change that waits.
ALTER TABLE {schema}.email_changes ENABLE ROW LEVEL SECURITY;
"""

UNFENCE = """
ALTER TABLE {schema}.email_changes DISABLE ROW LEVEL SECURITY;
"""

CONFIRM = """
CREATE FUNCTION {schema}.confirm_email_change(code_digest bytea) RETURNS TABLE (id uuid, replaced text)
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
        UPDATE {schema}.users SET email = change.email, sessions_ended_at = statement_timestamp()
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
    PERFORM {schema}.end_tokens(change.user_id, NULL, false);
    DELETE FROM {schema}.email_links WHERE lower(email) IN (lower(change.email), lower(change.replaces));
    confirm_email_change.id := change.user_id;
    confirm_email_change.replaced := change.replaces;
    RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.confirm_email_change(bytea) FROM PUBLIC;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0015_staff_email_changes")]

    operations = [
        run(FENCE, UNFENCE),
        run(CONFIRM, "DROP FUNCTION {schema}.confirm_email_change(bytea);"),
    ]
