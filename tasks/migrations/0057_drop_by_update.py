"""The index by time of update, which no query of the API needs: an owner's updates are in the order of their numbers.

Each change of a task wrote to it. Beside this, the last release sorts the tasks of the owner who asks; its cursors of such
a list are refused by this one, and this one's by it.
"""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is removed concurrently outside of transactions only

    dependencies = [("tasks", "0056_quick_rules")]

    operations = [RemoveIndexConcurrently("task", "tasks_by_update")]
