"""Webhooks: addresses that are told of an owner's changes. The log is followed by a position for each; there is no queue.

`webhooks_deliveries` says what became of events, and holds those that go on by themselves: set aside, replayed, tests.
"""

from typing import Any

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

# As of accounts: who may only write tasks sees no hook. The secrets are read by the owner of the tables alone.
FENCE = """
ALTER TABLE {schema}.webhooks ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhooks_own ON {schema}.webhooks TO todo_account
    USING (user_id = (SELECT {schema}.current_user_id())) WITH CHECK (user_id = (SELECT {schema}.current_user_id()));
GRANT SELECT (id, user_id, url, events, rotated_at, is_enabled, disabled_at, disabled_reason, created_at, updated_at,
              version, position),
      INSERT (id, user_id, url, events, secret),
      UPDATE (url, events, is_enabled, secret, rotated_at)
   ON {schema}.webhooks TO todo_account;

ALTER TABLE {schema}.webhooks_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhooks_deliveries_own ON {schema}.webhooks_deliveries TO todo_account
    USING (user_id = (SELECT {schema}.current_user_id())) WITH CHECK (user_id = (SELECT {schema}.current_user_id()));
GRANT SELECT, INSERT (id, user_id, webhook_id, type, state, next_try_at) ON {schema}.webhooks_deliveries TO todo_account;
"""

# How many an account may have; whoever makes one has its owner locked, so the count is exact. An operator may replace
# the number.
MOST = """
CREATE FUNCTION {schema}.most_webhooks() RETURNS integer LANGUAGE sql STABLE RETURN 20;
REVOKE EXECUTE ON FUNCTION {schema}.most_webhooks() FROM PUBLIC;
"""

# A new one and one that is enabled begin now. What changes where it goes, or whether, ends the lease of who delivers.
KEEP = """
CREATE FUNCTION {schema}.keep_webhook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    begins boolean := NEW.is_enabled;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (SELECT count(*) FROM webhooks WHERE user_id = NEW.user_id) >= most_webhooks() THEN
            RAISE EXCEPTION 'the account has as many webhooks as it may'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'webhooks_most_of_account';
        END IF;
        NEW.notice := 'made';
        NEW.notice_at := statement_timestamp();
    ELSE
        begins := NEW.is_enabled AND NOT OLD.is_enabled;
        NEW.version := OLD.version;
        IF NEW.rotated_at IS DISTINCT FROM OLD.rotated_at THEN
            NEW.old_secret := OLD.secret;
        END IF;
        IF (NEW.url, NEW.events, NEW.is_enabled, NEW.rotated_at)
            IS DISTINCT FROM (OLD.url, OLD.events, OLD.is_enabled, OLD.rotated_at) THEN
            NEW.version := OLD.version + 1;
            NEW.updated_at := greatest(statement_timestamp(), OLD.updated_at + interval '1 microsecond');
            NEW.notice := 'changed';
            NEW.notice_at := statement_timestamp();
        END IF;
        IF begins OR NEW.url <> OLD.url OR NEW.events <> OLD.events THEN
            NEW.tries := 0;
            NEW.delivery_id := NULL;
            NEW.next_try_at := NULL;
            NEW.failing_since := NULL;
        END IF;
        IF (NEW.url, NEW.events, NEW.is_enabled) IS DISTINCT FROM (OLD.url, OLD.events, OLD.is_enabled) THEN
            NEW.lease_no := OLD.lease_no + 1;
            NEW.leased_until := NULL;
        END IF;
        IF OLD.is_enabled AND NOT NEW.is_enabled THEN
            NEW.disabled_at := statement_timestamp();
            NEW.disabled_reason := coalesce(NEW.disabled_reason, 'owner');
            NEW.notice := CASE NEW.disabled_reason WHEN 'owner' THEN 'changed' ELSE NEW.disabled_reason END;
        END IF;
    END IF;
    IF begins THEN
        NEW.position := (SELECT change_no FROM users WHERE id = NEW.user_id);
        NEW.begun_at := statement_timestamp();
    END IF;
    IF NEW.is_enabled THEN
        NEW.disabled_at := NULL;
        NEW.disabled_reason := NULL;
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.keep_webhook() FROM PUBLIC;
CREATE TRIGGER webhooks_kept BEFORE INSERT OR UPDATE ON {schema}.webhooks
    FOR EACH ROW EXECUTE FUNCTION {schema}.keep_webhook();
"""

# What waits at a hook that is disabled is given up; and what waits at its turn, where that is another one now. A test is
# sent all the same. This comes after the statement, which may have written a row of them itself.
GIVE_UP = """
CREATE FUNCTION {schema}.give_up_deliveries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    UPDATE webhooks_deliveries
       SET state = 'failed', error = CASE WHEN NEW.is_enabled THEN 'changed' ELSE 'disabled' END, next_try_at = NULL
     WHERE user_id = NEW.user_id AND webhook_id = NEW.id AND change_no IS NOT NULL
       AND (state = 'retrying' OR NOT NEW.is_enabled AND state IN ('queued', 'set_aside'));
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.give_up_deliveries() FROM PUBLIC;
CREATE TRIGGER webhooks_given_up AFTER UPDATE ON {schema}.webhooks
    FOR EACH ROW WHEN ((NEW.url, NEW.events, NEW.is_enabled) IS DISTINCT FROM (OLD.url, OLD.events, OLD.is_enabled))
    EXECUTE FUNCTION {schema}.give_up_deliveries();
"""

# Replays and tests that have not been tried yet: whoever asks for them in a loop must not fill the disk.
ROOM = """
CREATE FUNCTION {schema}.has_room_in_queue() RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    IF (SELECT count(*) FROM webhooks_deliveries WHERE user_id = current_user_id() AND state = 'queued') >= 2000 THEN
        RAISE EXCEPTION 'as many deliveries wait as may'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'webhooks_queue_of_account';
    END IF;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.has_room_in_queue() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.has_room_in_queue() TO todo_account;
"""

# What a client of the API may ask for without a right to the log: the events in a range that the hook wants, once more.
# Returns how many; NULL where there is no such hook of the bound user.
REPLAY = """
CREATE FUNCTION {schema}.replay_webhook(hook uuid, first bigint, last bigint, most integer, seeds uuid[])
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    owner uuid := current_user_id();
    chosen webhooks;
    made integer;
BEGIN
    SELECT * INTO chosen FROM webhooks WHERE user_id = owner AND id = hook;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT chosen.is_enabled THEN
        RAISE EXCEPTION 'the webhook is disabled'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'webhooks_enabled';
    END IF;
    PERFORM has_room_in_queue();
    INSERT INTO webhooks_deliveries (id, user_id, webhook_id, change_no, type, state, next_try_at)
    SELECT seeds[row_number() OVER (ORDER BY change_no)], owner, hook, change_no, kind || '.' || event, 'queued',
           statement_timestamp()
      FROM (SELECT change_no, kind, event FROM changes
             WHERE user_id = owner AND change_no BETWEEN first AND last AND event <> 'respaced'
               AND (kind || '.' || event = ANY (chosen.events) OR kind || '.*' = ANY (chosen.events))
             ORDER BY change_no LIMIT most + 1) AS wanted;
    GET DIAGNOSTICS made = ROW_COUNT;
    IF made > most THEN
        RAISE EXCEPTION 'the range holds too many events'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'webhooks_replay_size';
    END IF;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.replay_webhook(uuid, bigint, bigint, integer, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.replay_webhook(uuid, bigint, bigint, integer, uuid[]) TO todo_account;
"""

# No role may delete of its own, here as elsewhere. What was delivered goes along.
DELETE = """
CREATE FUNCTION {schema}.delete_webhook(hook uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    DELETE FROM webhooks WHERE user_id = current_user_id() AND id = hook;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.delete_webhook(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.delete_webhook(uuid) TO todo_account;
"""

# For what ends everything that may be in wrong hands: a reset, a new password by staff, logout everywhere.
DISABLE = """
CREATE FUNCTION {schema}.disable_webhooks(owner uuid, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    UPDATE webhooks SET is_enabled = false, disabled_reason = reason WHERE user_id = owner AND is_enabled;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.disable_webhooks(uuid, text) FROM PUBLIC;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


def key() -> "models.UUIDField[Any, Any]":
    return models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)


def moment(*, editable: bool = True, blank: bool = False) -> "models.DateTimeField[Any, Any]":
    return models.DateTimeField(blank=blank, editable=editable, null=True)


def now(*, editable: bool = True) -> "models.DateTimeField[Any, Any]":
    return models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=editable)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0047_reminders_filled"), ("accounts", "0025_stream_tickets")]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", key()),
                ("url", models.TextField(verbose_name="URL")),
                ("events", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ("secret", models.BinaryField()),
                ("old_secret", models.BinaryField(null=True)),
                ("rotated_at", moment(editable=False, blank=True)),
                ("is_enabled", models.BooleanField(db_default=True, default=True, verbose_name="enabled")),
                ("disabled_at", moment(editable=False, blank=True)),
                ("disabled_reason", models.TextField(blank=True, editable=False, null=True)),
                ("created_at", now(editable=False)),
                ("updated_at", now(editable=False)),
                ("version", models.PositiveIntegerField(db_default=1, editable=False)),
                ("position", models.BigIntegerField(db_default=0, editable=False)),
                ("begun_at", now(editable=False)),
                ("lease_no", models.BigIntegerField(db_default=0, editable=False)),
                ("leased_until", moment(editable=False)),
                ("tries", models.PositiveSmallIntegerField(db_default=0, editable=False)),
                ("delivery_id", models.UUIDField(editable=False, null=True)),
                ("next_try_at", moment(editable=False)),
                ("failing_since", moment(editable=False)),
                ("notice", models.TextField(editable=False, null=True)),
                ("notice_at", moment(editable=False)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "db_table": "webhooks",
                "indexes": [
                    models.Index(
                        condition=models.Q(("notice_at__isnull", False)), fields=["notice_at"], name="webhooks_to_tell"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "id"), name="webhooks_id_of_user"),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("url"), 2048
                        ),
                        name="webhooks_url_length",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("events", []), _negated=True), name="webhooks_events_some"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_enabled", models.Q(("disabled_at__isnull", True)))),
                        name="webhooks_disabled_at_matches",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", key()),
                ("webhook_id", models.UUIDField()),
                ("change_no", models.BigIntegerField(null=True)),
                ("type", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("delivered", "Delivered"),
                            ("retrying", "Retrying"),
                            ("queued", "Queued"),
                            ("set_aside", "set aside"),
                            ("failed", "Failed"),
                        ]
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(db_default=0)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("error", models.TextField(null=True)),
                ("duration_ms", models.PositiveIntegerField(null=True)),
                ("created_at", now()),
                ("tried_at", moment()),
                ("next_try_at", moment()),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "webhooks_deliveries",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["user", "webhook_id", "id"], name="webhooks_deliveries_of_hook"),
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "set_aside"])),
                        fields=["next_try_at"],
                        name="webhooks_deliveries_due",
                    ),
                    models.Index(
                        condition=models.Q(("state", "queued")), fields=["user"], name="webhooks_deliveries_queued"
                    ),
                    models.Index(fields=["created_at"], name="webhooks_deliveries_by_age"),
                ],
            },
        ),
        run(FENCE, ""),
        run(MOST, "DROP FUNCTION {schema}.most_webhooks();"),
        run(KEEP, "DROP FUNCTION {schema}.keep_webhook() CASCADE;"),
        run(GIVE_UP, "DROP FUNCTION {schema}.give_up_deliveries() CASCADE;"),
        run(ROOM, "DROP FUNCTION {schema}.has_room_in_queue();"),
        run(REPLAY, "DROP FUNCTION {schema}.replay_webhook(uuid, bigint, bigint, integer, uuid[]);"),
        run(DELETE, "DROP FUNCTION {schema}.delete_webhook(uuid);"),
        run(DISABLE, "DROP FUNCTION {schema}.disable_webhooks(uuid, text);"),
    ]
