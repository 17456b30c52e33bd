"""Prove of the rows that were there what new ones are held to: it reads the table beside whoever reads and writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tasks", "0028_inbox_index")]

    operations = [
        ValidateConstraint("task", "tasks_starts_on_range"),
        ValidateConstraint("task", "tasks_external_id_length"),
        ValidateConstraint("task", "tasks_list_of_owner"),
        ValidateConstraint("task", "tasks_parent_of_owner"),
    ]
