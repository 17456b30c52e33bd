"""The index on words, which no query of the API reads any more: writing two would cost each write some 4 % more.

The API of the last release searches by a function, which reads the new index since 0023. Only the staff's search of the
last release asks for the old words: while it still runs, that reads all tasks.
"""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is removed concurrently outside of transactions only

    dependencies = [("tasks", "0024_completed_by_owner")]

    operations = [RemoveIndexConcurrently("task", "tasks_words")]
