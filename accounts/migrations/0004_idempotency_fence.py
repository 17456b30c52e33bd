"""The fence around stored answers, and the function that claims a key."""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# Two statements on purpose: the second must see what the holder of the lock had committed when it let go.
CLAIM = """
CREATE FUNCTION {schema}.claim_idempotency_key(digest bytea, lifetime interval)
RETURNS TABLE (fingerprint bytea, answer bytea)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended({schema}.current_user_id()::text || digest::text, 0)) THEN
        RAISE EXCEPTION 'in flight' USING ERRCODE = 'TD409';
    END IF;
    RETURN QUERY
    SELECT k.fingerprint, k.answer
      FROM (SELECT) AS always
      LEFT JOIN {schema}.idempotency_keys k
        ON k.user_id = {schema}.current_user_id() AND k.key_digest = digest
       AND k.created_at > statement_timestamp() - lifetime;
END $$;
"""

FENCE = """
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY idempotency_keys_own ON idempotency_keys TO todo_account
    USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT (user_id, key_digest, fingerprint, answer), UPDATE (fingerprint, answer, created_at)
    ON idempotency_keys TO todo_account;
"""

UNFENCE = """
REVOKE ALL ON idempotency_keys FROM todo_account;
DROP POLICY idempotency_keys_own ON idempotency_keys;
ALTER TABLE idempotency_keys DISABLE ROW LEVEL SECURITY;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_idempotency")]

    operations = [
        run(FENCE, UNFENCE),
        run(CLAIM, "DROP FUNCTION {schema}.claim_idempotency_key(bytea, interval);"),
    ]
