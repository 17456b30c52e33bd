"""What an owner completed of late, for statistics and for lists by the time of completion.

Open tasks are not in it, so writing them costs nothing.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index is built concurrently outside of transactions only

    dependencies = [("tasks", "0023_search_queries")]

    operations = [
        AddIndexConcurrently(
            "task",
            models.Index(
                fields=["user", "completed_at"],
                name="tasks_done_by_owner",
                condition=models.Q(("completed_at__isnull", False), ("deleted_at", None)),
            ),
        ),
    ]
