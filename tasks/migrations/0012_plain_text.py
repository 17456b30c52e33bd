"""What a title and a description may hold: a title is one line with something to see, a description has plain text.

Triggers whose condition is the rule, not constraints: a constraint would stop every other change of a row that was
written before it, and its owner could not even complete it. PostgreSQL evaluates the condition without calling the
function, which only says no.
"""

from django.conf import settings
from django.db import migrations, models

import tasks.models
from todoproject import text

SCHEMA = settings.DATABASE_SCHEMA

# The errors are those of constraints, with a name by which todoproject/api.py knows the rule.
REFUSE = """
CREATE FUNCTION {schema}.refuse_text() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'text that breaks a rule' USING ERRCODE = '23514', CONSTRAINT = TG_ARGV[0];
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.refuse_text() FROM PUBLIC;
"""

RULES = {
    "tasks_title_one_line": ("title", f"NEW.title ~ '{text.BREAK}'"),
    "tasks_title_visible": ("title", f"NEW.title !~ '{text.VISIBLE}'"),
    "tasks_description_plain": ("description", f"NEW.description ~ '{text.CONTROL}'"),
}


def triggers() -> tuple[str, str]:
    """Return the SQL that makes the triggers, and the SQL that drops them."""
    make, drop = [], []
    for name, (column, broken) in RULES.items():
        refuse = f"FOR EACH ROW WHEN ({{condition}}) EXECUTE FUNCTION {SCHEMA}.refuse_text('{name}');"
        changed = f"OLD.{column} IS DISTINCT FROM NEW.{column}"
        make += [
            f"CREATE TRIGGER {name} BEFORE INSERT ON tasks {refuse.format(condition=broken)}",
            f"CREATE TRIGGER {name}_still BEFORE UPDATE OF {column} ON tasks"
            f" {refuse.format(condition=f'{changed} AND {broken}')}",
        ]
        drop += [f"DROP TRIGGER {name} ON tasks;", f"DROP TRIGGER {name}_still ON tasks;"]
    return "\n".join(make), "\n".join(drop)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0008_closed_functions")]

    operations = [
        migrations.RunSQL(REFUSE.format(schema=SCHEMA), f"DROP FUNCTION {SCHEMA}.refuse_text();"),
        migrations.RunSQL(*triggers()),
        migrations.AlterField(
            "task", "title", models.CharField(max_length=255, validators=[tasks.models.validate_title])
        ),
        migrations.AlterField(
            "task",
            "description",
            models.TextField(
                blank=True, db_default="", default="", max_length=10000, validators=[tasks.models.validate_description]
            ),
        ),
    ]
