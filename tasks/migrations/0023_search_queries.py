"""What a search asks for: all words, the last one perhaps only begun, "phrases", and -words that must not be there.

The index answers by words. What it cannot know, the order of words and of more than two characters of a script without
spaces, is looked up in the texts of the tasks that it has found.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_UNSPACED = import_module("tasks.migrations.0021_search_terms").UNSPACED

# `template` is a tsquery in which % stands for the digits of an owner; NULL where there is nothing to look for, as in a
# query of exclusions alone: all that a task must not hold is no place to begin. No word holds quotes or a %.
ASKED = """
CREATE FUNCTION {schema}.asked(string text, OUT template text, OUT phrases text[], OUT unwanted text[])
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, {schema}, pg_temp
AS $$
DECLARE
    parts text[];
    part text[];
    word text;
    characters text[];
    asked_words text[];
    phrase text;
    is_unwanted boolean;
    is_phrase boolean;
    lexemes text[];
    wanted text[] := '{}';
    excluded text[] := '{}';
    begun integer;
BEGIN
    phrases := '{}';
    unwanted := '{}';
    IF string !~ '[-"“”„«»\uff02\uff0d]' THEN
        parts := ARRAY[ARRAY[NULL, NULL, NULL, string]];
    ELSE
        SELECT array_agg(match) INTO parts
          FROM regexp_matches(translate(normalize(string, NFKC), '“”„«»', repeat('"', 5)),
                              '(-?)"([^"]*)"|(-(?=[^-[:space:]"]))?([^[:space:]"]+)', 'g') AS match;
    END IF;
    FOREACH part SLICE 1 IN ARRAY coalesce(parts, ARRAY[ARRAY[NULL, NULL, NULL, '']]) LOOP
        is_unwanted := coalesce(part[1], part[3], '') = '-';
        asked_words := array_remove(string_to_array(search_text(coalesce(part[2], part[4])), ' '), '');
        CONTINUE WHEN cardinality(asked_words) = 0;
        is_phrase := cardinality(asked_words) > 1 AND (part[2] IS NOT NULL OR is_unwanted);
        lexemes := '{}';
        FOREACH word IN ARRAY asked_words LOOP
            begun := CASE WHEN is_unwanted THEN begun END;
            IF ascii(word) <= 3584 OR word !~ '^[UNSPACED]' THEN
                lexemes := lexemes || ('''%' || left(word, 50) || '''');
                IF NOT is_unwanted AND part[2] IS NULL THEN
                    begun := cardinality(wanted) + cardinality(lexemes);
                END IF;
            ELSIF char_length(word) <= 2 THEN
                lexemes := lexemes || concat('''%', word, '''', CASE WHEN char_length(word) = 1 THEN ':*' END);
            ELSE
                is_phrase := is_phrase OR is_unwanted OR part[2] IS NOT NULL OR cardinality(asked_words) = 1;
                characters := string_to_array(word, NULL);
                FOR place IN 1 .. cardinality(characters) - 1 LOOP
                    lexemes := lexemes || ('''%' || characters[place] || characters[place + 1] || '''');
                END LOOP;
                IF NOT is_phrase THEN -- among other words of one that is none: 2026年度予算
                    phrases := phrases || word;
                END IF;
            END IF;
        END LOOP;
        -- A word is whole, and so is where a phrase begins and ends; characters without spaces may stand in others.
        phrase := concat(CASE WHEN asked_words[1] !~ '^[UNSPACED]' THEN ' ' END, array_to_string(asked_words, ' '),
                         CASE WHEN asked_words[cardinality(asked_words)] !~ '^[UNSPACED]' THEN ' ' END);
        IF NOT is_unwanted THEN
            wanted := wanted || lexemes;
            phrases := CASE WHEN is_phrase THEN phrases || phrase ELSE phrases END;
        ELSIF is_phrase THEN
            unwanted := unwanted || phrase;
        ELSE
            excluded := excluded || ('!' || lexemes[1]);
        END IF;
    END LOOP;
    IF begun IS NOT NULL THEN
        wanted[begun] := wanted[begun] || ':*';
    END IF;
    IF cardinality(wanted) > 0 THEN
        template := array_to_string(wanted || excluded, ' & ');
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.asked(text) FROM PUBLIC;
""".replace("UNSPACED", _UNSPACED)

# Words next to one another; title, description and each label are apart.
SAYS = """
CREATE FUNCTION {schema}.says(title text, description text, labels text[], phrases text[], unwanted text[])
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT COST 1000
AS $$
DECLARE
    words pg_catalog.text := {schema}.search_text(title) || ' | ' || {schema}.search_text(description);
    part pg_catalog.text;
BEGIN
    FOREACH part IN ARRAY labels LOOP
        words := words || ' | ' || {schema}.search_text(part);
    END LOOP;
    words := ' ' || array_to_string(array_remove(string_to_array(words, ' '), ''), ' ') || ' ';
    FOREACH part IN ARRAY phrases LOOP
        IF strpos(words, part) = 0 THEN
            RETURN false;
        END IF;
    END LOOP;
    FOREACH part IN ARRAY unwanted LOOP
        IF strpos(words, part) > 0 THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.says(text, text, text[], text[], text[]) FROM PUBLIC;
"""

# The API's statement calls it before anything else. The code of the last release does not know the error, and goes on to
# find nothing.
SEARCHABLE = """
CREATE FUNCTION {schema}.searchable(string text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp
AS $$
BEGIN
    IF string ~ '[0-9A-Za-z]' AND string !~ '[-"“”„«»]' THEN -- most are like that, and need not be read twice
        RETURN string;
    ELSIF (SELECT template FROM asked(string)) IS NULL THEN
        RAISE EXCEPTION 'nothing to search for' USING ERRCODE = '23514', CONSTRAINT = 'search_for_something';
    END IF;
    RETURN string;
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.searchable(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.searchable(text) TO todo_api;
"""

# As in 0003, in the words of 0021. The last release calls it, too.
SEARCH_TASKS = """
CREATE OR REPLACE FUNCTION {schema}.search_tasks(string text) RETURNS SETOF {schema}.tasks
LANGUAGE sql STABLE STRICT SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    WITH asked AS MATERIALIZED (SELECT * FROM {schema}.asked(string))
    SELECT task.* FROM {schema}.tasks AS task
     WHERE {schema}.task_terms(task.user_id, task.title, task.description, task.labels)
           @@ (SELECT replace(template, '%', right({schema}.current_user_id()::text, 4))::tsquery FROM asked)
       AND task.user_id IS NOT DISTINCT FROM (SELECT {schema}.current_user_id())
       AND ((SELECT phrases = '{}' AND unwanted = '{}' FROM asked)
            OR {schema}.says(task.title, task.description, task.labels,
                             (SELECT phrases FROM asked), (SELECT unwanted FROM asked)));
$$;
"""
# For staff: as search_query and staff_queries, which stay for the last release and its words.
STAFF = """
CREATE FUNCTION {schema}.query_terms(owner uuid, string text) RETURNS tsquery
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT replace(template, '%', right(owner::text, 4))::tsquery FROM {schema}.asked(string);
$$;
CREATE FUNCTION {schema}.staff_terms(string text) RETURNS tsquery[]
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, {schema}, pg_temp
AS $$
    SELECT array_agg(replace(asked.template, '%', owner.digits)::tsquery)
      FROM {schema}.asked(string) AS asked
     CROSS JOIN (SELECT DISTINCT right(id::text, 4) AS digits FROM {schema}.users) AS owner
     WHERE asked.template IS NOT NULL;
$$;
REVOKE EXECUTE ON FUNCTION {schema}.query_terms(uuid, text), {schema}.staff_terms(text) FROM PUBLIC;
"""

SEARCH_TASKS_BEFORE = (
    import_module("tasks.migrations.0003_search")
    .SEARCH.split("CREATE FUNCTION ")[2]
    .split("REVOKE")[0]
    .replace("ROWS 100", "ROWS 100 SET search_path = pg_catalog, {schema}, pg_temp")  # that it was given in 0008
)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0022_terms_index")]

    operations = [
        run(ASKED, "DROP FUNCTION {schema}.asked(text);"),
        run(SAYS, "DROP FUNCTION {schema}.says(text, text, text[], text[], text[]);"),
        run(SEARCHABLE, "DROP FUNCTION {schema}.searchable(text);"),
        run(STAFF, "DROP FUNCTION {schema}.staff_terms(text); DROP FUNCTION {schema}.query_terms(uuid, text);"),
        run(SEARCH_TASKS, f"CREATE OR REPLACE FUNCTION {SEARCH_TASKS_BEFORE}"),
    ]
