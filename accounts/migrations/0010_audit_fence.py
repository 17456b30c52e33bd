"""What makes the audit append-only, for the owner of the tables too, and who may add to it.

An event is never updated, and not deleted before its 90th day. What of it is about a person (audit_details) may go
earlier, but only together with the person. The triggers are ENABLE ALWAYS, so that a session which calls itself a replica fires them, too.
Who can drop a trigger can still forge; that takes DDL, which no code of ours sends outside of migrations.

`todo_account` can record that it signs out, and nothing else; neither role of the API can read a line.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

FENCE = """
-- No policy and no grant: only the owner of the tables reads these.
ALTER TABLE {schema}.audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.audit_details ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.second_factors ENABLE ROW LEVEL SECURITY;
"""

UNFENCE = """
ALTER TABLE {schema}.second_factors DISABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.audit_details DISABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.audit_events DISABLE ROW LEVEL SECURITY;
"""

APPEND_ONLY = """
CREATE FUNCTION {schema}.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only: no % of %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_events_kept BEFORE UPDATE OR TRUNCATE ON {schema}.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_audit_change();
CREATE TRIGGER audit_details_kept BEFORE UPDATE OR TRUNCATE ON {schema}.audit_details
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_audit_change();
-- 90 days: AUDIT_RETENTION_DAYS may not be less.
CREATE TRIGGER audit_events_young BEFORE DELETE ON {schema}.audit_events
    FOR EACH ROW WHEN (OLD.at > statement_timestamp() - interval '90 days')
    EXECUTE FUNCTION {schema}.refuse_audit_change();

CREATE FUNCTION {schema}.keep_audit_detail() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER -- deferred, it may run in the role of a request of the API
AS $$
BEGIN
    IF EXISTS (SELECT FROM {schema}.audit_events WHERE id = OLD.event_id)
        AND (OLD.user_id IS NULL OR EXISTS (SELECT FROM {schema}.users WHERE id = OLD.user_id)) THEN
        RAISE EXCEPTION 'the audit is append-only: details go with their event or their person'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
-- Deferred: whoever erases a person deletes what belongs to them first, and them last.
CREATE CONSTRAINT TRIGGER audit_details_stay AFTER DELETE ON {schema}.audit_details
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.keep_audit_detail();
ALTER TABLE {schema}.audit_events ENABLE ALWAYS TRIGGER audit_events_kept;
ALTER TABLE {schema}.audit_events ENABLE ALWAYS TRIGGER audit_events_young;
ALTER TABLE {schema}.audit_details ENABLE ALWAYS TRIGGER audit_details_kept;
ALTER TABLE {schema}.audit_details ENABLE ALWAYS TRIGGER audit_details_stay;
"""

DROP_APPEND_ONLY = """
DROP TRIGGER audit_details_stay ON {schema}.audit_details;
DROP FUNCTION {schema}.keep_audit_detail();
DROP TRIGGER audit_events_young ON {schema}.audit_events;
DROP TRIGGER audit_details_kept ON {schema}.audit_details;
DROP TRIGGER audit_events_kept ON {schema}.audit_events;
DROP FUNCTION {schema}.refuse_audit_change();
"""

PURGE = """
CREATE FUNCTION {schema}.purge_audit(before timestamptz, batch integer) RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    old uuid[];
BEGIN
    SELECT array_agg(id) INTO old
      FROM (SELECT id FROM {schema}.audit_events WHERE at < before ORDER BY at LIMIT batch FOR UPDATE SKIP LOCKED) AS e;
    DELETE FROM {schema}.audit_details WHERE event_id = ANY (old);
    DELETE FROM {schema}.audit_events WHERE id = ANY (old);
    RETURN coalesce(cardinality(old), 0);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.purge_audit(timestamptz, integer) FROM PUBLIC;
"""

SIGN_OUT = """
CREATE FUNCTION {schema}.record_sign_out(event uuid, request text, client inet) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
BEGIN ATOMIC
    WITH recorded AS (
        INSERT INTO {schema}.audit_events (id, actor_id, door, action, object_type, object_id, request_id)
        SELECT event, me, 'api', 'sign-out', 'accounts.user', me::text, request
          FROM (SELECT {schema}.current_user_id()) AS bound (me) WHERE me IS NOT NULL
        RETURNING id, actor_id)
    INSERT INTO {schema}.audit_details (event_id, user_id, address)
    SELECT id, actor_id, client FROM recorded RETURNING event_id;
END;
REVOKE EXECUTE ON FUNCTION {schema}.record_sign_out(uuid, text, inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.record_sign_out(uuid, text, inet) TO todo_account;
"""

# Called by the owner of the tables, when nobody is known.
FAILED = """
CREATE FUNCTION {schema}.record_failed_sign_in(event uuid, through text, who uuid, request text, client inet) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    -- The smallest UUIDv7 of an hour ago: the index has the events of an object in the order of their ids.
    since uuid := (lpad(to_hex((extract(epoch FROM statement_timestamp()) * 1000)::bigint - 3600000), 12, '0')
                   || '70008000000000000000')::uuid;
BEGIN
    -- Attempts are limited before they get here, but those on made-up addresses come from anywhere: beyond a thousand
    -- an hour (of one account; of all unknown ones together) they fill the disk and tell nothing new.
    IF (SELECT count(*) FROM (
            SELECT FROM {schema}.audit_events
             WHERE object_id = coalesce(who::text, '') AND action = 'sign-in failed'
               AND id > since LIMIT 1000) AS recent) = 1000 THEN
        RETURN;
    END IF;
    INSERT INTO {schema}.audit_events (id, door, action, object_type, object_id, request_id, address)
    VALUES (event, through, 'sign-in failed', 'accounts.user', coalesce(who::text, ''), request,
            CASE WHEN who IS NULL THEN client END);
    -- By way of the table: who was erased since the attempt began leaves no detail.
    INSERT INTO {schema}.audit_details (event_id, user_id, address)
    SELECT event, id, client FROM {schema}.users WHERE id = who FOR KEY SHARE;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.record_failed_sign_in(uuid, text, uuid, text, inet) FROM PUBLIC;
"""

# As erase_account (0006) does it for the person themselves, in the same order of locks; called by the owner.
ERASE_USER = """
CREATE FUNCTION {schema}.erase_user(owner uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    owned record;
    rows bigint;
    counts jsonb := '{{}}';
    address text;
BEGIN
    FOR owned IN SELECT * FROM {schema}.owned_tables() LOOP
        EXECUTE format('SELECT count(*) FROM {schema}.%I WHERE user_id = $1', owned.name) INTO rows USING owner;
        counts := counts || jsonb_build_object(owned.name, rows);
    END LOOP;
    PERFORM {schema}.erase_owned(owner);
    SELECT email INTO address FROM {schema}.users WHERE id = owner FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM {schema}.erase_owned(owner);
    DELETE FROM {schema}.email_links WHERE lower(email) = lower(address);
    DELETE FROM {schema}.users WHERE id = owner;
    PERFORM {schema}.refuse_remains(owner, address);
    RETURN counts;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.erase_user(uuid) FROM PUBLIC;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_audit")]

    operations = [
        run(FENCE, UNFENCE),
        run(APPEND_ONLY, DROP_APPEND_ONLY),
        run(PURGE, "DROP FUNCTION {schema}.purge_audit(timestamptz, integer);"),
        run(SIGN_OUT, "DROP FUNCTION {schema}.record_sign_out(uuid, text, inet);"),
        run(FAILED, "DROP FUNCTION {schema}.record_failed_sign_in(uuid, text, uuid, text, inet);"),
        run(ERASE_USER, "DROP FUNCTION {schema}.erase_user(uuid);"),
    ]
