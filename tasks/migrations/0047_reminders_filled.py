"""Give the reminders that tasks had before their rows. Those that are late by more than a day nobody waits for."""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# Whoever writes meanwhile keeps their own by the trigger. What this finds a moment too late is looked at again before
# it fires.
FILL = """
INSERT INTO {schema}.reminders (user_id, task_id, reminder, fires_at)
SELECT user_id, id, present.reminder, present.fires_at
  FROM {schema}.tasks, {schema}.reminders_of(reminders, due_at) AS present
 WHERE reminders <> '[]' AND NOT is_completed AND deleted_at IS NULL
   AND present.fires_at > statement_timestamp() - interval '1 day'
    ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0046_reminders")]

    operations = [migrations.RunSQL(FILL.replace("{schema}", SCHEMA), migrations.RunSQL.noop)]
