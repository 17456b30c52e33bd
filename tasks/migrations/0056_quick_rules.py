"""The rules of a task, without what it costs PostgreSQL to get them ready.

Each statement that writes parses, plans and prepares a table's CHECK constraints anew. A function in one of them is read
and taken apart by the planner, which would put its body in the place of the call, even where it is never called: without
reminders that took a twentieth of a write. A function with settings of its own is left alone.

Numbers that another constraint keeps from being negative need none that Django makes for PositiveIntegerField.
"""

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

CALLED = f"ALTER FUNCTION {SCHEMA}.are_reminders(jsonb) SET search_path = pg_catalog, pg_temp;"
INLINED = f"ALTER FUNCTION {SCHEMA}.are_reminders(jsonb) RESET search_path;"


class Migration(migrations.Migration):
    dependencies = [("tasks", "0055_open_between")]

    operations = [
        migrations.RunSQL(CALLED, INLINED),
        migrations.AlterField(
            "task",
            "priority",
            models.SmallIntegerField(
                choices=[(0, "None"), (1, "Low"), (2, "Medium"), (3, "High"), (4, "Urgent")], db_default=0, default=0
            ),
        ),
        migrations.AlterField("task", "version", models.IntegerField(db_default=1, editable=False)),
        migrations.AlterField("tasklist", "version", models.IntegerField(db_default=1, editable=False)),
        migrations.AlterField("change", "version", models.IntegerField()),
    ]
