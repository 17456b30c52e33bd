"""Labels, start dates and the ids that tasks have elsewhere.

Labels are folded in the database (`fold`), which also keeps the rule that none stands on a task twice. No index: behind
the policy none would be used, because `arraycontains` is not leak-proof, and it would cost every write.
"""

from datetime import date
from importlib import import_module

import django.contrib.postgres.fields
import django.db.models.lookups
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models.functions import Length

import tasks.models
from todoproject import text

SCHEMA = settings.DATABASE_SCHEMA
_RULES = import_module("tasks.migrations.0012_list_rules")

# ruff: noqa: S608 -- composed of our own SQL
CHECK_LABELS = f"""
CREATE FUNCTION {SCHEMA}.check_labels(labels text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, {SCHEMA}, pg_temp
AS $$
DECLARE
    rule text := CASE
        WHEN cardinality(labels) > 20 THEN 'count'
        WHEN EXISTS (SELECT FROM unnest(labels) AS label WHERE label IS NULL OR length(label) NOT BETWEEN 1 AND 50) THEN 'length'
        WHEN EXISTS (SELECT FROM unnest(labels) AS label WHERE label ~ '{text.BREAK}') THEN 'one_line'
        WHEN EXISTS (SELECT FROM unnest(labels) AS label WHERE label !~ '{text.VISIBLE}') THEN 'visible'
        WHEN EXISTS (SELECT FROM unnest(labels) AS label WHERE label IN ('.', '..')) THEN 'dots'
        WHEN (SELECT count(DISTINCT fold(label)) FROM unnest(labels) AS label) < cardinality(labels) THEN 'distinct' END;
BEGIN
    IF rule IS NOT NULL THEN
        RAISE EXCEPTION 'labels that break a rule' USING ERRCODE = '23514', CONSTRAINT = 'tasks_labels_' || rule;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION {SCHEMA}.check_labels(text[]) FROM PUBLIC;
"""

CHANGE_LABELS = f"""
CREATE FUNCTION {SCHEMA}.folded(labels text[]) RETURNS text[]
LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT {SCHEMA}.fold(label) FROM unnest(labels) AS label);

CREATE FUNCTION {SCHEMA}.has_labels(labels text[], wanted text[]) RETURNS boolean
LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE
RETURN labels <> '{{}}' AND {SCHEMA}.folded(labels) @> {SCHEMA}.folded(wanted);

CREATE FUNCTION {SCHEMA}.change_labels(labels text[], removed text[], added text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    WITH kept AS (
        SELECT label, place FROM unnest(labels) WITH ORDINALITY AS present (label, place)
         WHERE {SCHEMA}.fold(label) <> ALL ({SCHEMA}.folded(removed)))
    SELECT label FROM (
        SELECT label, 0 AS part, place FROM kept
        UNION ALL
        SELECT label, 1, place FROM unnest(added) WITH ORDINALITY AS new (label, place)
         WHERE NOT EXISTS (SELECT FROM kept WHERE {SCHEMA}.fold(kept.label) = {SCHEMA}.fold(new.label))) AS both_parts
     ORDER BY part, place);

CREATE FUNCTION {SCHEMA}.rename_label(labels text[], present text, name text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT renamed FROM (
        SELECT place, CASE WHEN {SCHEMA}.fold(label) IN ({SCHEMA}.fold(present), {SCHEMA}.fold(name)) THEN name ELSE label END
               AS renamed FROM unnest(labels) WITH ORDINALITY AS each (label, place)) AS labels
     GROUP BY renamed ORDER BY min(place));
"""

_NAMES = ", ".join(
    f"{SCHEMA}.{name}"
    for name in (
        *("change_labels(text[], text[], text[])", "rename_label(text[], text, text)"),
        *("has_labels(text[], text[])", "folded(text[])"),
    )
)
RIGHTS = f"""
REVOKE EXECUTE ON FUNCTION {_NAMES} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {_NAMES} TO todo_api;
GRANT INSERT (labels, starts_on, external_id), UPDATE (labels, starts_on, external_id) ON tasks TO todo_api;
"""

# Under the owner's lock; the index behind it would say the same, but not which task has the id.
MEMBERS_RULE = """
    IF NEW.labels <> '{{}}' AND (TG_OP = 'INSERT' OR NEW.labels IS DISTINCT FROM OLD.labels) THEN
        PERFORM {schema}.check_labels(NEW.labels);
    END IF;
    IF NEW.external_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.external_id IS DISTINCT FROM OLD.external_id) THEN
        SELECT id INTO holder FROM {schema}.tasks
         WHERE user_id = NEW.user_id AND external_id = NEW.external_id AND key <> NEW.key;
        IF FOUND THEN
            RAISE EXCEPTION 'another task has the external id' USING ERRCODE = 'unique_violation',
                CONSTRAINT = 'tasks_external_id_unique', TABLE = 'tasks', DETAIL = holder;
        END IF;
    END IF;
"""
BOOKS = _RULES.BOOKS.replace("    is_live boolean;\n", "    is_live boolean;\n    holder pg_catalog.uuid;\n")
TASK_BOOKS = BOOKS % (
    "keep_task_books",
    "",
    _RULES.OWNER_FIXED + _RULES.NUMBERING + _RULES.LIST_RULE + MEMBERS_RULE + _RULES.TASK_STATE,
)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0012_list_rules")]

    operations = [
        migrations.AddField(
            "task",
            "labels",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(validators=[tasks.models.validate_label]),
                blank=True,
                db_default=[],
                default=list,
                size=None,
            ),
        ),
        migrations.AddField(
            "task",
            "starts_on",
            models.DateField(blank=True, help_text="Not before this day.", null=True, verbose_name="starts on"),
        ),
        migrations.AddField(
            "task",
            "external_id",
            models.TextField(blank=True, db_collation="C", null=True, verbose_name="external id"),
        ),
        AddConstraintNotValid(
            "task",
            models.CheckConstraint(
                condition=models.Q(("starts_on__range", (date(1, 1, 2), date(9999, 12, 30)))),
                name="tasks_starts_on_range",
                violation_error_message="The start date is out of range.",
            ),
        ),
        AddConstraintNotValid(
            "task",
            models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.GreaterThanOrEqual(Length("external_id"), 1),
                    django.db.models.lookups.LessThanOrEqual(Length("external_id"), 255),
                ),
                name="tasks_external_id_length",
                violation_error_message="An external id has 1 to 255 characters.",
            ),
        ),
        migrations.RunSQL(CHECK_LABELS, f"DROP FUNCTION {SCHEMA}.check_labels(text[]);"),
        migrations.RunSQL(CHANGE_LABELS, f"DROP FUNCTION {_NAMES};"),
        migrations.RunSQL(
            RIGHTS,
            "REVOKE INSERT (labels, starts_on, external_id), UPDATE (labels, starts_on, external_id) ON tasks FROM todo_api;",
        ),
        run(TASK_BOOKS, _RULES.TASK_BOOKS),
    ]
