"""Where a task's subtasks are found, in their order; the deleted ones too, because nothing is purged that has any."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0016_tree_cascade")]
    atomic = False

    operations = [
        AddIndexConcurrently(
            "task",
            models.Index(
                condition=models.Q(("parent_id__isnull", False)),
                fields=["user", "parent_id", "position"],
                name="tasks_children",
            ),
        ),
    ]
