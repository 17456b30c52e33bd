"""Words in everybody's tasks, for the staff."""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

# One query for each beginning that words of today's owners have: at most 65,536, however many owners. NULL where there
# is no word, which finds nothing. For the owner of the tables only, who may read users.
STAFF_QUERIES = """
CREATE FUNCTION {schema}.staff_queries(string text) RETURNS tsquery[]
LANGUAGE sql STABLE STRICT
AS $$
    WITH word AS MATERIALIZED (
        SELECT left(lexeme, 50) AS text, positions[array_upper(positions, 1)] AS place FROM unnest({schema}.words(string))
    )
    SELECT array_agg(one.query::tsquery)
      FROM (SELECT string_agg(format('''%s%s''%s', owner.digits, word.text,
                                     CASE WHEN word.place = (SELECT max(place) FROM word) THEN ':*' END), ' & ') AS query
              FROM (SELECT DISTINCT right(id::text, 4) AS digits FROM {schema}.users) AS owner CROSS JOIN word
             GROUP BY owner.digits) AS one;
$$;
REVOKE EXECUTE ON FUNCTION {schema}.staff_queries(text) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0003_search")]

    operations = [
        migrations.RunSQL(STAFF_QUERIES.format(schema=SCHEMA), f"DROP FUNCTION {SCHEMA}.staff_queries(text);"),
    ]
