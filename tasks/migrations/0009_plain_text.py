"""What a title and a description may hold: a title is one line with something to see, a description has plain text.

Triggers whose condition is the rule, not constraints: a constraint would stop every other change of a row that was
written before it, and its owner could not even complete it. PostgreSQL evaluates the condition without calling the
function, which only says no, and why. One trigger for all three rules: each costs a write some microseconds.
"""

from django.conf import settings
from django.db import migrations, models

import tasks.models
from todoproject import text

SCHEMA = settings.DATABASE_SCHEMA

_BREAK = f"NEW.title ~ '{text.BREAK}'"
_INVISIBLE = f"NEW.title !~ '{text.VISIBLE}'"
_CONTROL = f"NEW.description ~ '{text.CONTROL}'"

# The errors are those of constraints, with a name by which the API knows the rule.
REFUSE = f"""
CREATE FUNCTION {SCHEMA}.refuse_text() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'text that breaks a rule' USING ERRCODE = '23514', CONSTRAINT = CASE
        WHEN {_BREAK} THEN 'tasks_title_one_line'
        WHEN {_INVISIBLE} THEN 'tasks_title_visible'
        ELSE 'tasks_description_plain' END;
END $$;
REVOKE EXECUTE ON FUNCTION {SCHEMA}.refuse_text() FROM PUBLIC;
CREATE TRIGGER tasks_plain_text BEFORE INSERT ON tasks
    FOR EACH ROW WHEN ({_BREAK} OR {_INVISIBLE} OR {_CONTROL}) EXECUTE FUNCTION {SCHEMA}.refuse_text();
CREATE TRIGGER tasks_plain_text_still BEFORE UPDATE OF title, description ON tasks
    FOR EACH ROW WHEN ((OLD.title IS DISTINCT FROM NEW.title AND ({_BREAK} OR {_INVISIBLE}))
                       OR (OLD.description IS DISTINCT FROM NEW.description AND {_CONTROL}))
    EXECUTE FUNCTION {SCHEMA}.refuse_text();
"""
ALLOW = f"""
DROP TRIGGER tasks_plain_text_still ON tasks;
DROP TRIGGER tasks_plain_text ON tasks;
DROP FUNCTION {SCHEMA}.refuse_text();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0008_closed_functions")]

    operations = [
        migrations.RunSQL(REFUSE, ALLOW),
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
