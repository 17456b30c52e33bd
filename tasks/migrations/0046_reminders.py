"""When reminders fire: a row for each, from the moment that its task has it until it has fired or is too late for that.

A task's `reminders` say what is wanted; these rows say when, and what has become of it. A trigger keeps them, whoever
writes. One that has fired stays: a due that comes back to where it was reminds nobody a second time.
"""

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

FENCE = """
-- It goes with its task. Its owner is the task's: a reference over the id alone would be checked without the fence.
ALTER TABLE reminders ADD CONSTRAINT reminders_task_exists
    FOREIGN KEY (task_id, user_id) REFERENCES tasks (id, user_id) ON DELETE CASCADE;
ALTER TABLE reminders ENABLE ROW LEVEL SECURITY;
CREATE POLICY reminders_own ON reminders TO todo_api USING (user_id = (SELECT current_user_id()));
GRANT SELECT ON reminders TO todo_api;
"""

# A minute before the due is one of an instant: without a time of day it rests. What lies before all that Python can
# hold is as late on its first day.
REMINDERS_OF = """
CREATE FUNCTION {schema}.reminders_of(given jsonb, due timestamptz) RETURNS TABLE (reminder text, fires_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT one::text,
           greatest(CASE WHEN one ? 'at' THEN (one ->> 'at')::timestamptz
                         ELSE due - make_interval(mins => (one ->> 'minutes_before')::integer) END,
                    timestamptz '0001-01-02 00:00:00+00')
      FROM jsonb_array_elements(given) AS one
     WHERE one ? 'at' OR due IS NOT NULL;
END;
REVOKE EXECUTE ON FUNCTION {schema}.reminders_of(jsonb, timestamptz) FROM PUBLIC;
"""

# Tasks without reminders never come here.
KEEP_REMINDERS = """
CREATE FUNCTION {schema}.keep_reminders() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    wanted jsonb := CASE WHEN NEW.is_completed OR NEW.deleted_at IS NOT NULL THEN '[]' ELSE NEW.reminders END;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.reminders = OLD.reminders AND NEW.due_at IS NOT DISTINCT FROM OLD.due_at
        AND NEW.is_completed = OLD.is_completed AND (NEW.deleted_at IS NULL) = (OLD.deleted_at IS NULL) THEN
        RETURN NULL;
    END IF;
    DELETE FROM reminders AS held
     WHERE user_id = NEW.user_id AND task_id = NEW.id AND settled_at IS NULL AND NOT EXISTS (
           SELECT FROM reminders_of(wanted, NEW.due_at) AS present
            WHERE present.reminder = held.reminder AND present.fires_at = held.fires_at);
    INSERT INTO reminders (user_id, task_id, reminder, fires_at)
    SELECT NEW.user_id, NEW.id, present.reminder, present.fires_at FROM reminders_of(wanted, NEW.due_at) AS present
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.keep_reminders() FROM PUBLIC;
CREATE TRIGGER tasks_reminders_new AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.reminders <> '[]') EXECUTE FUNCTION {schema}.keep_reminders();
CREATE TRIGGER tasks_reminders_kept AFTER UPDATE ON tasks
    FOR EACH ROW WHEN (NEW.reminders <> '[]' OR OLD.reminders <> '[]') EXECUTE FUNCTION {schema}.keep_reminders();
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0045_claims_lock_nothing"), ("accounts", "0024_reminder_mail")]

    operations = [
        migrations.CreateModel(
            name="Reminder",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        *("user_id", "task_id", "fires_at", "reminder"),
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("task_id", models.UUIDField()),
                ("reminder", models.TextField(db_collation="C")),
                ("fires_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("change_no", models.BigIntegerField(null=True)),
                ("mail_at", models.DateTimeField(null=True)),
                ("mail_tries", models.PositiveSmallIntegerField(db_default=0, default=0)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "reminders",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at", None)), fields=["fires_at"], name="reminders_pending"
                    ),
                    models.Index(
                        condition=models.Q(("change_no__isnull", False)),
                        fields=["user", "change_no"],
                        name="reminders_fired",
                    ),
                    models.Index(
                        condition=models.Q(("mail_at__isnull", False)), fields=["mail_at"], name="reminders_to_mail"
                    ),
                    models.Index(
                        condition=models.Q(("settled_at__isnull", False)),
                        fields=["settled_at"],
                        name="reminders_purge",
                    ),
                ],
            },
        ),
        run(FENCE, ""),
        run(REMINDERS_OF, "DROP FUNCTION {schema}.reminders_of(jsonb, timestamptz);"),
        run(KEEP_REMINDERS, "DROP FUNCTION {schema}.keep_reminders() CASCADE;"),
    ]
