"""Every migration is safe beside a server, or says why it need not be; and what is unsafe is found."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from tests.support.migration_safety import findings, own_migrations


@pytest.fixture(scope="module")
def loader(database: None) -> MigrationLoader:
    return MigrationLoader(None)


def test_every_migration_of_ours_is_safe(orm: None, loader: MigrationLoader) -> None:
    unsafe = {str(migration): found for migration in own_migrations(loader) if (found := findings(migration, loader))}
    assert unsafe == {}


def test_all_of_our_apps_are_looked_at(loader: MigrationLoader) -> None:
    assert {"accounts", "tasks"} <= {migration.app_label for migration in own_migrations(loader)}
    assert len(own_migrations(loader)) >= 10


def test_what_is_revoked_on_the_way_back_was_granted_on_the_way_there(loader: MigrationLoader) -> None:
    """A table's whole right takes those of its columns along, and the code of before needs them."""
    revoked, strange = 0, {}
    for migration in own_migrations(loader):
        operations = [it for it in migration.operations if isinstance(it, migrations.RunSQL)]
        back = privileges("REVOKE", *(it.reverse_sql for it in operations))
        back = {it for it in back if it[0] != "ALL"}  # of a table that is about to go
        revoked += len(back)
        if not back <= (there := privileges("GRANT", *(it.sql for it in operations))):
            strange[str(migration)] = sorted(back - there)
    assert strange == {}
    assert revoked > 20


def privileges(verb: str, *parts: Any) -> set[tuple[str, str, str, str]]:
    """Return what SQL grants or revokes on tables: privilege, column ("" for all), table and role."""
    texts = [str(text) for part in parts for text in (part if isinstance(part, list | tuple) else [part])]
    found = re.findall(rf"\b{verb} ([^;]*?) ON (?!FUNCTION|SCHEMA)(\S+) (?:TO|FROM) ([^;]+);", " ".join(texts))
    return {
        (privilege, column.strip(), table.rpartition(".")[2], role.strip())
        for what, table, roles in found
        for privilege, columns in re.findall(r"(\w+)(?: \(([^)]*)\))?", what)
        for column in columns.split(",")
        for role in roles.split(",")
    }


def rules(loader: MigrationLoader, *operations: Operation, atomic: bool = True, **unsafe: str) -> set[str]:
    """Return the rules that a migration of `tasks` with these operations breaks."""
    migration = Migration("9999_probe", "tasks")
    migration.operations = list(operations)
    migration.atomic = atomic
    migration.unsafe = {rule.replace("_", "-"): reason for rule, reason in unsafe.items()}  # type: ignore[attr-defined]
    return {finding.rule for finding in findings(migration, loader)}


CHECK = models.CheckConstraint(condition=models.Q(title__gt=""), name="probe_check")
INDEX = models.Index(fields=["title"], name="probe_index")
OWNER = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")


@pytest.mark.parametrize(
    ("rule", "operation"),
    [
        ("irreversible", migrations.RunPython(lambda *_: None)),
        ("irreversible", migrations.RunSQL("SELECT 1")),
        ("require-concurrent-index-creation", migrations.AddIndex("Task", INDEX)),
        ("require-concurrent-index-deletion", migrations.RemoveIndex("Task", "tasks_by_title")),
        ("constraint-missing-not-valid", migrations.AddConstraint("Task", CHECK)),
        (
            "require-concurrent-index-creation",
            migrations.AddConstraint("Task", models.UniqueConstraint(models.F("title"), name="probe_unique")),
        ),
        (
            "disallowed-unique-constraint",
            migrations.AddConstraint("Task", models.UniqueConstraint(fields=["title"], name="probe_unique")),
        ),
        ("required-field", migrations.AddField("Task", "more", models.IntegerField(default=0))),
        ("required-field", migrations.AddField("Task", "more", models.TextField(default="", blank=True))),
        ("adding-not-nullable-field", migrations.AlterField("Task", "due_on", models.DateField())),
        ("changing-column-type", migrations.AlterField("Task", "version", models.BigIntegerField(db_default=1))),
        ("adding-foreign-key-constraint", migrations.AddField("Task", "other", OWNER)),
        ("renaming-column", migrations.RenameField("Task", "title", "name")),
        ("renaming-table", migrations.AlterModelTable("Task", "todos")),
        ("ban-drop-column", migrations.RemoveField("Task", "description")),
        ("ban-drop-table", migrations.DeleteModel("Task")),
        ("drop-in-use", migrations.RunSQL("DROP FUNCTION todo.owner_today()", "SELECT 1")),
        ("drop-in-use", migrations.RunSQL("DROP POLICY tasks_own ON tasks", "SELECT 1")),
        ("ban-drop-default", migrations.AlterField("Task", "change_no", models.BigIntegerField())),
        (
            "lock-order",
            migrations.RunSQL(
                "CREATE TRIGGER one AFTER DELETE ON users EXECUTE FUNCTION f();"
                "CREATE TRIGGER two AFTER UPDATE OF title ON tasks EXECUTE FUNCTION f();",
                "SELECT 1",
            ),
        ),
        ("own-lock-timeout", migrations.RunSQL("SET LOCAL lock_timeout = 0", "SELECT 1")),
        (
            "adding-field-with-default",
            migrations.RunSQL("ALTER TABLE tasks ADD COLUMN more uuid DEFAULT gen_random_uuid()", "SELECT 1"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_unsafe_migration_is_found(orm: None, loader: MigrationLoader, rule: str, operation: Operation) -> None:
    assert rule in rules(loader, operation)


@pytest.mark.parametrize(
    "index", [AddIndexConcurrently("Task", INDEX), RemoveIndexConcurrently("Task", "tasks_by_due")]
)
def test_a_concurrent_index_goes_alone_and_without_a_transaction(
    orm: None, loader: MigrationLoader, index: Operation
) -> None:
    assert rules(loader, index, atomic=False) == set()
    assert rules(loader, index) == {"concurrent-in-transaction"}
    more = migrations.AddField("Task", "more", models.IntegerField(null=True))
    assert rules(loader, index, more, atomic=False) == {"half-applied"}


def test_a_constraint_is_validated_in_a_migration_of_its_own(orm: None, loader: MigrationLoader) -> None:
    add = AddConstraintNotValid("Task", CHECK)
    assert rules(loader, add) == set()
    assert rules(loader, add, ValidateConstraint("Task", "probe_check")) != set()


def test_data_is_changed_in_a_migration_of_its_own(orm: None, loader: MigrationLoader) -> None:
    change = migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop)
    add = migrations.AddField("Task", "more", models.IntegerField(null=True))
    assert rules(loader, change) == set()
    assert rules(loader, add, change) == {"data-beside-schema"}


@pytest.mark.parametrize(
    "field", [models.IntegerField(null=True), models.IntegerField(db_default=0), models.TextField(db_default="")]
)
def test_a_field_that_old_code_need_not_know_is_safe(
    orm: None, loader: MigrationLoader, field: "models.Field[object, object]"
) -> None:
    assert rules(loader, migrations.AddField("Task", "more", field)) == set()


def test_a_new_table_may_have_what_it_likes(orm: None, loader: MigrationLoader) -> None:
    key = ("id", models.BigAutoField(primary_key=True))
    assert (
        rules(
            loader,
            migrations.CreateModel("Probe", [key, ("text", models.TextField())]),
            migrations.AddIndex("Probe", models.Index(fields=["text"], name="probe_text")),
            migrations.AddConstraint("Probe", models.CheckConstraint(condition=models.Q(text__gt=""), name="probe_c")),
        )
        == set()
    )


def test_an_allowance_needs_a_reason_and_something_to_allow(orm: None, loader: MigrationLoader) -> None:
    drop = migrations.RemoveField("Task", "description")
    reason = "nothing has read it since the release before the last"
    assert rules(loader, drop, ban_drop_column=reason) == set()
    assert rules(loader, drop, ban_drop_column="") == {"unexplained-allowance"}
    assert rules(loader, drop, ban_drop_column=reason, irreversible=reason) == {"stale-allowance"}
