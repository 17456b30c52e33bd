"""Lists in the order of their last changes: what those read who follow an owner's changes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0036_tasks_by_change")]
    atomic = False

    operations = [
        AddIndexConcurrently("tasklist", models.Index(fields=["user", "change_no"], name="lists_by_change")),
    ]
