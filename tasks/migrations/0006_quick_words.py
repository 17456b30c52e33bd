"""The words of a task, quicker: every write of a task works them out for the index, and a query was the slowest way.

They are the same words, so the index stays as it is.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# array_to_tsvector sorts, and leaves out repetitions. The cost: as in 0003.
TASK_WORDS = """
CREATE OR REPLACE FUNCTION {schema}.task_words(owner uuid, title text, description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT COST 10000
AS $$
DECLARE
    word text;
    owned text[] := '{{}}';
BEGIN
    FOREACH word IN ARRAY tsvector_to_array({schema}.words(title || ' ' || description)) LOOP
        owned := owned || {schema}.owned_word(owner, word);
    END LOOP;
    RETURN array_to_tsvector(owned);
END $$;
"""

_BEFORE = import_module("tasks.migrations.0003_search").TASK_WORDS.replace("CREATE ", "CREATE OR REPLACE ", 1)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0005_completed_index")]

    operations = [
        migrations.RunSQL(TASK_WORDS.format(schema=SCHEMA), _BEFORE.format(schema=SCHEMA)),
    ]
