"""What an account may fill the disk with: stored answers, and ended tokens; and where it is noted that it is full.

Nothing is counted at each write: one in so many counts, by chance, and whoever is found full is noted on the owner's
row, under the lock that every write holds. The write that has counted goes through, for an error would undo the note;
those after it are refused for five minutes. Then one counts for certain, goes through, and so it goes on.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

# Of one day; each counts with what its row costs besides. A large one is counted for certain. An operator may replace
# the number.
STORED_ANSWERS = """
CREATE FUNCTION {schema}.most_answer_bytes() RETURNS bigint LANGUAGE sql STABLE RETURN 134217728;
REVOKE EXECUTE ON FUNCTION {schema}.most_answer_bytes() FROM PUBLIC;
CREATE FUNCTION {schema}.note_full_of_answers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    was_full timestamptz := (SELECT answers_full_until FROM {schema}.users WHERE id = NEW.user_id);
    held bigint;
BEGIN
    IF was_full IS NULL AND random() >= greatest(octet_length(NEW.answer) / 262144.0, 1 / 64.0) THEN
        RETURN NULL;
    END IF;
    SELECT sum(octet_length(answer) + 200) INTO held FROM {schema}.idempotency_keys
     WHERE user_id = NEW.user_id AND created_at > statement_timestamp() - interval '24 hours';
    IF was_full IS NOT NULL OR held >= {schema}.most_answer_bytes() THEN
        UPDATE {schema}.users SET answers_full_until = CASE
               WHEN held >= {schema}.most_answer_bytes() THEN statement_timestamp() + interval '5 minutes' END
         WHERE id = NEW.user_id;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.note_full_of_answers() FROM PUBLIC;
CREATE TRIGGER idempotency_keys_counted AFTER INSERT OR UPDATE ON {schema}.idempotency_keys
    FOR EACH ROW EXECUTE FUNCTION {schema}.note_full_of_answers();
GRANT SELECT (answers_full_until) ON {schema}.users TO todo_account;
"""

# A key that has its answer already is given that.
CLAIM = """
CREATE OR REPLACE FUNCTION {schema}.claim_idempotency_key(digest bytea, lifetime interval)
RETURNS TABLE (fingerprint bytea, answer bytea)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
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
    IF EXISTS (SELECT FROM {schema}.users
                WHERE id = {schema}.current_user_id() AND answers_full_until > statement_timestamp())
       AND NOT EXISTS (SELECT FROM {schema}.idempotency_keys k
                        WHERE k.user_id = {schema}.current_user_id() AND k.key_digest = digest
                          AND k.created_at > statement_timestamp() - lifetime)
    THEN
        RAISE EXCEPTION 'the account has as many stored answers as it may'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'idempotency_keys_most_of_account';
    END IF;
END $$;
"""

# Tokens that live are bounded where they are made. Of those that have ended, which are kept to answer "which token was
# that?", the last thousand stay: making and revoking one in a loop fills nothing.
ENDED_TOKENS = """
CREATE FUNCTION {schema}.forget_ended_tokens() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    IF random() < 1 / 64.0 THEN
        DELETE FROM {schema}.access_tokens WHERE id IN (
            SELECT id FROM {schema}.access_tokens
             WHERE user_id = NEW.user_id AND (revoked_at IS NOT NULL OR expires_at <= statement_timestamp())
             ORDER BY id DESC OFFSET 1000);
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.forget_ended_tokens() FROM PUBLIC;
CREATE TRIGGER access_tokens_bounded AFTER INSERT ON {schema}.access_tokens
    FOR EACH ROW EXECUTE FUNCTION {schema}.forget_ended_tokens();
"""

_CLAIM_BEFORE = (
    import_module("accounts.migrations.0004_idempotency_fence")
    .CLAIM.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    .replace("VOLATILE", "VOLATILE SET search_path = pg_catalog, {schema}, pg_temp")  # tasks/0008
)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0020_purged_no")]

    operations = [
        *(
            migrations.AddField("user", f"{what}_full_until", models.DateTimeField(editable=False, null=True))
            for what in ("tasks", "labels", "answers")
        ),
        run(
            STORED_ANSWERS,
            "REVOKE SELECT (answers_full_until) ON {schema}.users FROM todo_account;"
            "DROP TRIGGER idempotency_keys_counted ON {schema}.idempotency_keys;"
            "DROP FUNCTION {schema}.note_full_of_answers(); DROP FUNCTION {schema}.most_answer_bytes();",
        ),
        run(CLAIM, _CLAIM_BEFORE),
        run(
            ENDED_TOKENS,
            "DROP TRIGGER access_tokens_bounded ON {schema}.access_tokens; DROP FUNCTION {schema}.forget_ended_tokens();",
        ),
    ]
