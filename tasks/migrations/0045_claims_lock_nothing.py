"""Who has yet to lock the owner locks nothing before: the claim of an Idempotency-Key does not note the token's use.

A token that had not been used for ten minutes was locked by the claim, whose transaction then waited for the owner: a
logout that had the owner and wanted the token waited for that, and both until one was ended. `locks_owner` is NULL for a
statement after which one comes that locks.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_BEFORE = import_module("tasks.migrations.0040_quotas").OPEN_REQUEST

_NOTED = "IF used IS NULL OR used < statement_timestamp() - interval '10 minutes' THEN"
OPEN_REQUEST = _BEFORE.replace(
    _NOTED, f"IF locks_owner IS NOT NULL AND ({_NOTED.removeprefix('IF ').removesuffix(' THEN')}) THEN"
)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0040_quotas")]

    operations = [migrations.RunSQL(OPEN_REQUEST.format(schema=SCHEMA), _BEFORE.format(schema=SCHEMA))]
