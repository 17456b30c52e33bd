"""Who has an external id is one step of an index, however many tasks the owner has, and whatever the statistics say.

Each new task that names one looks for it. While PostgreSQL took an account for a small one, as before the first ANALYZE, all its
tasks seemed as cheap to read in the order of their changes: an import read for each task all those before it.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_BEFORE = import_module("tasks.migrations.0054_creation_kept").TASK_BOOKS

# As in last_position (0015): the settings leave the planner no other index than the one in this order. It knows that an order
# by what equals one value is none, so that is said as a range.
HOLDER = """
CREATE FUNCTION {schema}.holder_of_external_id(owner uuid, given text, spared uuid) RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, {schema}, pg_temp SET enable_sort = off SET enable_seqscan = off
AS $$
BEGIN
    RETURN (SELECT id FROM tasks
             WHERE user_id = owner AND external_id BETWEEN given AND given AND key <> spared
             ORDER BY external_id LIMIT 1);
END $$;
REVOKE EXECUTE ON FUNCTION {schema}.holder_of_external_id(uuid, text, uuid) FROM PUBLIC;
"""

_LOOK = """
        SELECT id INTO holder FROM {schema}.tasks
         WHERE user_id = NEW.user_id AND external_id = NEW.external_id AND key <> NEW.key;
        IF FOUND THEN
"""
_ASK = """
        holder := {schema}.holder_of_external_id(NEW.user_id, NEW.external_id, NEW.key);
        IF holder IS NOT NULL THEN
"""
TASK_BOOKS = _BEFORE.replace(_LOOK, _ASK)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0065_imports")]

    operations = [
        run(HOLDER, "DROP FUNCTION {schema}.holder_of_external_id(uuid, text, uuid);"),
        run(TASK_BOOKS, _BEFORE),
    ]
