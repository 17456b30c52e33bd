"""Search in titles and descriptions, through an index that knows whose words it holds.

An index on text search is not used under row-level security, because its operators are not leak-proof. So a function
that runs as the table's owner, and filters by the bound user itself, finds the rows. Every word in the index begins
with four digits of its owner's id: a search reads the owner's words, and few others, however many have written the same.
"""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations
from django.db.models import F, Func

SCHEMA = settings.DATABASE_SCHEMA

# ASCII punctuation separates words, before the parser can take it for parts of addresses, paths and numbers. No
# dictionary and no stop words: the language is unknown. Fifty characters of a word are enough to find it by.
WORDS = """
CREATE FUNCTION {schema}.words(string text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsvector('pg_catalog.simple',
                   translate({schema}.fold(string), $$!"#$%&'()*+,-./:;<=>?@[\\]^_`{{|}}~$$, repeat(' ', 32)));

CREATE FUNCTION {schema}.owned_word(owner uuid, word text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- The last digits of a UUIDv7 are random: one owner in 65,536 has the same ones, and search_tasks compares the whole id.
RETURN right(owner::text, 4) || left(word, 50);
"""

# The cost keeps the planner from working out every row's words where the index has them. Not PARALLEL SAFE, because that
# same cost would make it start workers for a few rows, which takes longer than to read them.
TASK_WORDS = """
CREATE FUNCTION {schema}.task_words(owner uuid, title text, description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT COST 10000
AS $$
BEGIN
    RETURN array_to_tsvector(ARRAY(
        SELECT DISTINCT {schema}.owned_word(owner, word)
          FROM unnest(tsvector_to_array({schema}.words(title || ' ' || description))) AS word));
END $$;
"""

# All words must be there; the last one may be only begun. Quotes in words there are none, punctuation being gone.
SEARCH = """
CREATE FUNCTION {schema}.search_query(owner uuid, string text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    WITH word AS (SELECT lexeme, positions[array_upper(positions, 1)] AS place FROM unnest({schema}.words(string)))
    SELECT string_agg(format('''%s''%s', {schema}.owned_word(owner, lexeme),
                             CASE WHEN place = (SELECT max(place) FROM word) THEN ':*' END), ' & ')::tsquery
      FROM word);

-- NOT DISTINCT is no more than equal here, but no index can answer it: the one on words has read the right rows already.
-- The body is a string, so that a column added to tasks later is among what it returns.
CREATE FUNCTION {schema}.search_tasks(string text) RETURNS SETOF {schema}.tasks
LANGUAGE sql STABLE STRICT SECURITY DEFINER ROWS 100
AS $$
    SELECT task.* FROM {schema}.tasks AS task
     WHERE {schema}.task_words(task.user_id, task.title, task.description)
           @@ (SELECT {schema}.search_query({schema}.current_user_id(), string))
       AND task.user_id IS NOT DISTINCT FROM (SELECT {schema}.current_user_id());
$$;
REVOKE EXECUTE ON FUNCTION {schema}.search_tasks(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.search_tasks(text) TO todo_api;
"""

DROP_SEARCH = """
DROP FUNCTION {schema}.search_tasks(text);
DROP FUNCTION {schema}.search_query(uuid, text);
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0002_fence")]
    unsafe = {"require-concurrent-index-creation": "it comes with the first release, when tasks has no rows"}

    operations = [
        run(WORDS, "DROP FUNCTION {schema}.owned_word(uuid, text); DROP FUNCTION {schema}.words(text);"),
        run(TASK_WORDS, "DROP FUNCTION {schema}.task_words(uuid, text, text);"),
        migrations.AddIndex(
            "task",
            GinIndex(Func(F("user"), F("title"), F("description"), function="task_words"), name="tasks_words"),
        ),
        run(SEARCH, DROP_SEARCH),
    ]
