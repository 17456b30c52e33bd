"""The index that a search reads, built beside the one in use; no row is rewritten.

`pg_stat_progress_create_index` tells how far it is.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models import F, Func


class Migration(migrations.Migration):
    atomic = False  # an index is built concurrently outside of transactions only

    dependencies = [("tasks", "0021_search_terms")]

    operations = [
        AddIndexConcurrently(
            "task",
            GinIndex(
                Func(F("user"), F("title"), F("description"), F("labels"), function="task_terms"), name="tasks_terms"
            ),
        ),
    ]
