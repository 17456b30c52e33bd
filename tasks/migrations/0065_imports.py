"""One import at a time for an account; and it reads dates by the owner's zone."""

from django.conf import settings
from django.db import migrations, models

SCHEMA = settings.DATABASE_SCHEMA

FENCE = """
-- It goes with its account, whoever erases that.
ALTER TABLE imports_running ADD CONSTRAINT imports_running_user_exists
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE imports_running ENABLE ROW LEVEL SECURITY;
CREATE POLICY imports_running_own ON imports_running TO todo_api
    USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));
GRANT SELECT ON imports_running TO todo_api;
GRANT INSERT (user_id, ends_at), UPDATE (ends_at) ON imports_running TO todo_api;
GRANT EXECUTE ON FUNCTION {schema}.owner_zone() TO todo_api;
"""
BACK = "REVOKE EXECUTE ON FUNCTION {schema}.owner_zone() FROM todo_api;"


class Migration(migrations.Migration):
    dependencies = [("tasks", "0064_fence_of_addresses")]

    operations = [
        migrations.CreateModel(
            name="RunningImport",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=models.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("ends_at", models.DateTimeField()),
            ],
            options={"db_table": "imports_running", "default_permissions": ()},
        ),
        migrations.RunSQL(FENCE.format(schema=SCHEMA), BACK.format(schema=SCHEMA)),
    ]
