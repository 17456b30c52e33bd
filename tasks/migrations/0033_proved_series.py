"""Prove of the rows that were there what new ones are held to: it reads the table beside whoever reads and writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tasks", "0032_one_copy")]

    operations = [
        ValidateConstraint("task", "tasks_recurrence_due"),
        ValidateConstraint("task", "tasks_series_whole"),
        ValidateConstraint("task", "tasks_occurrence_form"),
        ValidateConstraint("task", "tasks_reminders_form"),
    ]
