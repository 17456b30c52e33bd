"""A task that comes from elsewhere is as old as it was there: a `created_at` given at INSERT stays, and never changes after.

It is never later than now. Whoever gives none means now, also where that is written out: the column's default is the
statement's beginning, and what is not before the transaction's beginning is taken for the time of the write.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

SCHEMA = settings.DATABASE_SCHEMA
_LISTS = import_module("tasks.migrations.0012_list_rules")
_TREE = import_module("tasks.migrations.0015_tree")

_ALWAYS_NOW = """
        NEW.created_at := NEW.updated_at;
        NEW.version := 1;
"""
_KEPT = """
        IF (NEW.created_at < transaction_timestamp()) IS NOT TRUE THEN
            NEW.created_at := NEW.updated_at;
        END IF;
        NEW.version := 1;
"""
_LIST_BOOKS_BEFORE = _LISTS.LIST_BOOKS.split("REVOKE", 1)[0]
TASK_BOOKS = _TREE.TASK_BOOKS.replace(_ALWAYS_NOW, _KEPT)
LIST_BOOKS = _LIST_BOOKS_BEFORE.replace(_ALWAYS_NOW, _KEPT)


def run(forward: str, backward: str) -> migrations.RunSQL:
    return migrations.RunSQL(forward.format(schema=SCHEMA), backward.format(schema=SCHEMA))


class Migration(migrations.Migration):
    dependencies = [("tasks", "0051_staff_see_webhooks")]

    operations = [
        run(TASK_BOOKS, _TREE.TASK_BOOKS),
        run(LIST_BOOKS, _LIST_BOOKS_BEFORE),
        run(
            "GRANT INSERT (created_at) ON tasks TO todo_api;",
            "REVOKE INSERT (created_at) ON tasks FROM todo_api;",
        ),
    ]
