"""No two accounts are one mailbox."""

from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Coalesce, Lower, NullIf

SCHEMA = settings.DATABASE_SCHEMA

CREATE: Any = [
    # One that was cut short is there, but not valid.
    f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.users_mailbox_unique",
    f"CREATE UNIQUE INDEX CONCURRENTLY users_mailbox_unique"
    f" ON {SCHEMA}.users ((coalesce(nullif(mailbox, ''), lower(email))))",
]


class Migration(migrations.Migration):
    atomic = False  # built while people go on registering
    dependencies = [("accounts", "0018_fill_mailboxes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.users_mailbox_unique")
            ],
            state_operations=[
                migrations.AddConstraint(
                    "user",
                    models.UniqueConstraint(
                        Coalesce(NullIf("mailbox", models.Value("")), Lower("email"), output_field=models.CharField()),
                        name="users_mailbox_unique",
                        violation_error_message="A user with this e-mail exists.",
                    ),
                )
            ],
        )
    ]
