"""Columns for series and reminders; their rules come with the next migration."""

from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import BooleanField, F, Func, Q

SCHEMA = settings.DATABASE_SCHEMA

# Of each reminder one member. CASE, because AND does not say what is looked at first.
ARE_REMINDERS = """
CREATE FUNCTION {schema}.are_reminders(given jsonb) RETURNS boolean
LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(given) <> 'array' THEN false
    WHEN jsonb_array_length(given) > 5 THEN false
    ELSE (SELECT coalesce(bool_and(coalesce(CASE
              WHEN jsonb_typeof(one) <> 'object' THEN false
              WHEN one ? 'at' THEN one - 'at' = '{}'
                   AND one ->> 'at' ~ '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z$'
              WHEN one ->> 'minutes_before' ~ '^\\d{1,5}$' THEN one - 'minutes_before' = '{}'
                   AND (one ->> 'minutes_before')::integer <= 40320 END, false)), true)
            FROM jsonb_array_elements(given) AS one) END;
REVOKE EXECUTE ON FUNCTION {schema}.are_reminders(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.are_reminders(jsonb) TO todo_api;
"""

RIGHTS = """
GRANT INSERT (recurrence, occurrence, recurrence_of, reminders, completed_at),
      UPDATE (recurrence, series, occurrence, reminders) ON tasks TO todo_api;
"""
UNDO_RIGHTS = """
REVOKE INSERT (recurrence, occurrence, recurrence_of, reminders, completed_at),
       UPDATE (recurrence, series, occurrence, reminders) ON tasks FROM todo_api;
"""


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.replace("{schema}", SCHEMA), backward.replace("{schema}", SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0029_proved_rules")]

    operations = [
        run(ARE_REMINDERS, "DROP FUNCTION {schema}.are_reminders(jsonb);"),
        migrations.AddField("task", "recurrence", models.JSONField(blank=True, editable=False, null=True)),
        migrations.AddField("task", "series", models.JSONField(blank=True, editable=False, null=True)),
        migrations.AddField(
            "task", "occurrence", models.TextField(blank=True, db_collation="C", editable=False, null=True)
        ),
        migrations.AddField("task", "recurrence_of", models.UUIDField(blank=True, editable=False, null=True)),
        migrations.AddField(
            "task", "reminders", models.JSONField(blank=True, db_default=[], default=list, editable=False)
        ),
        AddConstraintNotValid(
            "task",
            models.CheckConstraint(
                condition=Q(
                    ("recurrence__isnull", True), ("due_on__isnull", False), ("due_at__isnull", False), _connector="OR"
                ),
                name="tasks_recurrence_due",
                violation_error_message="What recurs is due on a day or at an instant.",
            ),
        ),
        AddConstraintNotValid(
            "task",
            models.CheckConstraint(
                condition=Q(
                    Q(("recurrence__isnull", True), ("series__isnull", True)),
                    Q(
                        ("occurrence__isnull", False),
                        ("recurrence__isnull", False),
                        ("recurrence_of__isnull", True),
                        ("series__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="tasks_series_whole",
                violation_error_message="A series has an anchor and an occurrence, and is no copy of another.",
            ),
        ),
        AddConstraintNotValid(
            "task",
            models.CheckConstraint(
                condition=Q(("occurrence__regex", r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{6}Z)?$")),
                name="tasks_occurrence_form",
                violation_error_message="An occurrence is a day or an instant in UTC.",
            ),
        ),
        AddConstraintNotValid(
            "task",
            models.CheckConstraint(
                condition=Q(
                    ("reminders", []),
                    Func(F("reminders"), function="are_reminders", output_field=BooleanField()),
                    _connector="OR",
                ),
                name="tasks_reminders_form",
                violation_error_message="A task has at most 5 reminders.",
            ),
        ),
        run(RIGHTS, UNDO_RIGHTS),
    ]
