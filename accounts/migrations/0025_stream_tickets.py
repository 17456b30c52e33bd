"""Tickets: what opens one live stream, once, for a browser that can send no token."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

# Whoever asks for one sees none of them: it is taken by the owner of the tables. No reference to its token: one that is
# gone opens nothing.
FENCE = """
ALTER TABLE {schema}.stream_tickets ENABLE ROW LEVEL SECURITY;
CREATE POLICY stream_tickets_own ON {schema}.stream_tickets TO todo_account
    USING (user_id = (SELECT {schema}.current_user_id())) WITH CHECK (user_id = (SELECT {schema}.current_user_id()));
GRANT SELECT (user_id, expires_at), INSERT (digest, user_id, token_id, expires_at)
   ON {schema}.stream_tickets TO todo_account;
"""

# Those that nobody has used go with the owner's next one; the role may delete none.
FORGET_OLD = """
CREATE FUNCTION {schema}.forget_old_tickets() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    DELETE FROM stream_tickets WHERE user_id = NEW.user_id AND expires_at <= statement_timestamp();
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.forget_old_tickets() FROM PUBLIC;
CREATE TRIGGER stream_tickets_old_forgotten AFTER INSERT ON {schema}.stream_tickets
    FOR EACH ROW EXECUTE FUNCTION {schema}.forget_old_tickets();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0024_reminder_mail")]

    operations = [
        migrations.CreateModel(
            name="StreamTicket",
            fields=[
                ("digest", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("token_id", models.UUIDField()),
                ("expires_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "db_table": "stream_tickets",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=django.db.models.lookups.Exact(django.db.models.functions.text.Length("digest"), 32),
                        name="stream_tickets_digest_length",
                    )
                ],
            },
        ),
        migrations.RunSQL(FENCE.format(schema=SCHEMA), migrations.RunSQL.noop),
        migrations.RunSQL(FORGET_OLD.format(schema=SCHEMA), f"DROP FUNCTION {SCHEMA}.forget_old_tickets() CASCADE;"),
    ]
