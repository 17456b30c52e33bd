"""A delivery goes with its hook, and is its hook's owner's: what it refers to has been there since the step before."""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

REFERENCE = """
ALTER TABLE {schema}.webhooks_deliveries ADD CONSTRAINT webhooks_deliveries_hook_exists
    FOREIGN KEY (user_id, webhook_id) REFERENCES {schema}.webhooks (user_id, id) ON DELETE CASCADE;
"""
UNDO = "ALTER TABLE {schema}.webhooks_deliveries DROP CONSTRAINT webhooks_deliveries_hook_exists;"


class Migration(migrations.Migration):
    dependencies = [("tasks", "0048_webhooks")]
    unsafe = dict.fromkeys(
        ("adding-foreign-key-constraint", "constraint-missing-not-valid"),
        "both tables are new, and no code that writes to them serves yet",
    )

    operations = [migrations.RunSQL(REFERENCE.format(schema=SCHEMA), UNDO.format(schema=SCHEMA))]
