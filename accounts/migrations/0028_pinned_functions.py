"""The functions of 0017 as tasks/0008 has made them, also where that migration was applied before 0017.

A new database has them closed and with a search_path of their own, because there tasks/0008 comes later. One that was
migrated between the two, or an app at a time, had made or replaced them afterwards, without.
"""

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

FUNCTIONS = (
    "change_password(text, text, boolean)",
    "reset_password(bytea, text, boolean)",
    "change_email(text, text, text)",
    "ask_email_change(text, uuid, text, text, text, bytea[], interval)",
    "confirm_email_change(bytea)",
    "logout_everywhere(boolean)",
    "give_back_attempt(bytea[], integer[], integer[])",
    "plain_mailbox()",
)
PIN = [f"ALTER FUNCTION {SCHEMA}.{function} SET search_path = pg_catalog, {SCHEMA}, pg_temp;" for function in FUNCTIONS]
CLOSE = f"REVOKE EXECUTE ON FUNCTION {SCHEMA}.plain_mailbox() FROM PUBLIC;"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0027_proved_addresses"), ("tasks", "0008_closed_functions")]

    operations = [migrations.RunSQL([*PIN, CLOSE], migrations.RunSQL.noop)]
