"""What was completed of late, for the staff's dashboard and filter."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index is built concurrently outside of transactions only

    dependencies = [("tasks", "0004_staff_search")]

    operations = [
        AddIndexConcurrently(
            "task",
            models.Index(
                fields=["completed_at"], name="tasks_completed", condition=models.Q(("completed_at__isnull", False))
            ),
        ),
    ]
