"""No two tasks of an owner have the same external id, the deleted ones included."""

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA


class Migration(migrations.Migration):
    dependencies = [("tasks", "0013_labels")]
    atomic = False

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS tasks_external_id_unique"
                    " ON tasks (external_id, user_id) WHERE external_id IS NOT NULL;",
                    f"DROP INDEX CONCURRENTLY {SCHEMA}.tasks_external_id_unique;",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    "task",
                    models.UniqueConstraint(
                        condition=models.Q(("external_id__isnull", False)),
                        fields=("external_id", "user"),
                        name="tasks_external_id_unique",
                        violation_error_message="The owner has a task with this external id already.",
                    ),
                )
            ],
        )
    ]
