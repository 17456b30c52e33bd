"""Tasks in the order of their last changes: what those read who follow an owner's changes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0035_purged_numbers")]
    atomic = False

    operations = [
        AddIndexConcurrently("task", models.Index(fields=["user", "change_no"], name="tasks_by_change")),
    ]
