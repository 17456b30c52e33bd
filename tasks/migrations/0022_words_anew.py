"""The index of words, made anew beside the one in use: it then holds what `task_words` gives since the last migration.

Nothing waits for it, and no row is rewritten. `pg_stat_progress_create_index` tells how far it is; of a build that is
cut short `migrate` clears away what is left.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA


class Migration(migrations.Migration):
    atomic = False  # outside of transactions only

    dependencies = [("tasks", "0021_search_terms")]

    operations = [
        # Backwards nothing: the words of before are in the index, too.
        migrations.RunSQL(f'REINDEX INDEX CONCURRENTLY {SCHEMA}."tasks_words"', migrations.RunSQL.noop),
    ]
