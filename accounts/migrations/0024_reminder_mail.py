"""Whether somebody wants their reminders as mail, too."""

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

GRANT = "GRANT SELECT (reminder_mail), UPDATE (reminder_mail) ON {schema}.users TO todo_account;"
REVOKE = "REVOKE SELECT (reminder_mail), UPDATE (reminder_mail) ON {schema}.users FROM todo_account;"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0023_quotas")]

    operations = [
        migrations.AddField(
            "user", "reminder_mail", models.BooleanField("reminders by mail", db_default=False, default=False)
        ),
        migrations.RunSQL(
            GRANT.format(schema=SCHEMA),
            REVOKE.format(schema=SCHEMA),
        ),
    ]
