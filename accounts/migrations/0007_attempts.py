"""Counts attempts to log in, to register and to reset a password, for all workers alike.

No model: one function touches the table, and nobody else may. A row is a token bucket in one number, when it will be
full again (GCRA, ITU-T I.371); its key is a keyed digest, so neither an e-mail nor an address can be read from it.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

TABLE = """
CREATE TABLE {schema}.attempt_buckets (
    key bytea PRIMARY KEY CONSTRAINT attempt_buckets_key_length CHECK (length(key) = 32),
    full_at timestamptz NOT NULL
);
-- For the clean-up: a bucket that is full again is as good as none.
CREATE INDEX attempt_buckets_full_at ON {schema}.attempt_buckets (full_at);
"""

FUNCTION = """
CREATE FUNCTION {schema}.take_attempt(keys bytea[], quotas integer[], windows integer[],
                                      OUT refused integer, OUT wait double precision)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    at timestamptz;
    longer double precision;
BEGIN
    -- A crash may forget the last moment's attempts; nobody can cause one, and nobody waits for the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    -- Lock every bucket before taking from any: all or none. Callers name the kinds of keys in one order, so that
    -- two of them cannot lock each other out.
    FOR i IN 1 .. cardinality(keys) LOOP
        INSERT INTO {schema}.attempt_buckets AS bucket (key, full_at) VALUES (keys[i], moment)
            ON CONFLICT (key) DO UPDATE SET full_at = greatest(bucket.full_at, moment)
            RETURNING full_at INTO at;
        -- A thousandth of an attempt is what rounding to microseconds may miss.
        longer := extract(epoch FROM at - moment) + 0.999 * windows[i] / quotas[i] - windows[i];
        IF longer > coalesce(wait, 0) THEN
            refused := i;
            wait := longer;
        END IF;
    END LOOP;
    IF refused IS NULL THEN
        FOR i IN 1 .. cardinality(keys) LOOP
            UPDATE {schema}.attempt_buckets
               SET full_at = full_at + make_interval(secs => windows[i]::double precision / quotas[i])
             WHERE key = keys[i];
        END LOOP;
    END IF;
    -- Each call adds at most a few rows and removes up to ten, so the table cleans itself.
    DELETE FROM {schema}.attempt_buckets WHERE key IN (
        SELECT key FROM {schema}.attempt_buckets WHERE full_at < moment ORDER BY full_at LIMIT 10
           FOR UPDATE SKIP LOCKED);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.take_attempt(bytea[], integer[], integer[]) FROM PUBLIC;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_account_functions")]

    operations = [
        run(TABLE, "DROP TABLE {schema}.attempt_buckets;"),
        run(FUNCTION, "DROP FUNCTION {schema}.take_attempt(bytea[], integer[], integer[]);"),
    ]
