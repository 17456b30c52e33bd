"""An occurrence of a series has one live copy at most; it is also how one is found."""

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA


class Migration(migrations.Migration):
    dependencies = [("tasks", "0031_series_rules")]
    atomic = False

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS tasks_occurrence_unique"
                    " ON tasks (user_id, recurrence_of, occurrence)"
                    " WHERE recurrence_of IS NOT NULL AND deleted_at IS NULL;",
                    f"DROP INDEX CONCURRENTLY {SCHEMA}.tasks_occurrence_unique;",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    "task",
                    models.UniqueConstraint(
                        condition=models.Q(("deleted_at", None), ("recurrence_of__isnull", False)),
                        fields=("user", "recurrence_of", "occurrence"),
                        name="tasks_occurrence_unique",
                        violation_error_message="This occurrence has been completed already.",
                    ),
                )
            ],
        )
    ]
