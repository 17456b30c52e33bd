"""A reset of the password and `logout-everywhere` disable the account's webhooks: whoever had it may have made them.

Both functions are the accounts', as in accounts/0017. They are replaced here, since what they call is of this app.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA

_PATH = "SET search_path = pg_catalog, {schema}, pg_temp\nAS $$"
_BEFORE = import_module("accounts.migrations.0017_mailboxes_and_sessions")
_DISABLE = "    PERFORM {{schema}}.disable_webhooks({owner}, '{reason}');\n"


def closed(function: str) -> str:
    """Return a function's text as one that replaces what is there, with the path that tasks/0008 has given it."""
    text = function.split("REVOKE EXECUTE", 1)[0].replace("AS $$", _PATH, 1)
    return text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def also_disabling(function: str, owner: str, reason: str) -> str:
    """Return a function that disables the webhooks of whose tokens it ends."""
    ends = f"    PERFORM {{schema}}.end_tokens({owner}, NULL, also_personal);\n"
    return function.replace(ends, ends + _DISABLE.format(owner=owner, reason=reason), 1)


RESET_BEFORE, LOGOUT_BEFORE = closed(_BEFORE.RESET), closed(_BEFORE.LOGOUT)
RESET = also_disabling(RESET_BEFORE, "reset_password.user_id", "password_reset")
LOGOUT = also_disabling(LOGOUT_BEFORE, "owner", "logout")


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0049_deliveries_of_hooks"), ("accounts", "0025_stream_tickets")]

    operations = [run(RESET, RESET_BEFORE), run(LOGOUT, LOGOUT_BEFORE)]
