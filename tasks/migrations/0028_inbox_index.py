"""The order of the inbox by position, and its last place: an index on the list is in no order where the list is null."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0027_changes_made")]
    atomic = False

    operations = [
        AddIndexConcurrently(
            "task",
            models.Index(
                condition=models.Q(("deleted_at", None), ("parent_id__isnull", True), ("list_id__isnull", True)),
                fields=["user", "position", "id"],
                name="tasks_in_inbox",
            ),
        ),
    ]
