"""An index for staff who type how an e-mail begins: the unique one serves equality only, whatever the collation."""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA


class Migration(migrations.Migration):
    atomic = False  # built while people go on registering
    dependencies = [("accounts", "0011_staff_groups")]

    operations = [
        migrations.RunSQL(
            # One that was cut short is there, but not valid.
            [
                f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.users_email_prefix",
                f"CREATE INDEX CONCURRENTLY users_email_prefix ON {SCHEMA}.users (lower(email) text_pattern_ops)",
            ],
            f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.users_email_prefix",
        )
    ]
