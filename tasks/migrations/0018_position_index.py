"""The order of a list's own tasks by position, and its last place."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0017_children_index")]
    atomic = False

    operations = [
        AddIndexConcurrently(
            "task",
            models.Index(
                condition=models.Q(("deleted_at", None), ("parent_id__isnull", True), ("list_id__isnull", False)),
                fields=["user", "list_id", "position", "id"],
                name="tasks_in_list",
            ),
        ),
    ]
