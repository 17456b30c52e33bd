"""Which migrations hurt those who are served meanwhile, by the code before or by the code after them.

squawk reads the SQL and knows what PostgreSQL locks and rewrites; the rules below know what Django and the code of the
last release do. A migration that is unsafe and must be says so, with its reason: `unsafe = {"rule": "reason"}` in its
class. An allowance that allows nothing fails, too.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.contrib.postgres.operations import NotInTransactionMixin
from django.db import connection
from django.db.migrations import AddField, Migration, RunPython, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, ManyToManyField

from tests.support.processes.servers import ROOT

SQUAWK = Path(sys.executable).parent / "squawk"
# Rules of taste, or kept elsewhere.
NOT_OURS = (
    "prefer-text-field",  # a longer varchar is no rewrite; a change of type is told by another rule
    "prefer-bigint-over-int",  # of small numbers: versions, priorities
    "prefer-bigint-over-smallint",
    "prefer-robust-stmts",  # Django runs a migration once, and undoes what fails
    "require-lock-timeout",  # migrate sets it for all
    "require-statement-timeout",  # what takes long without a lock may
)
# What the code of the last release calls by name, beside tables and columns, which squawk knows.
_DROP = re.compile(r"^\s*DROP\s+(FUNCTION|TRIGGER|POLICY|VIEW|SCHEMA|ROLE|OWNED)\b", re.IGNORECASE | re.MULTILINE)
# What takes a lock on a table that writers wait for; of two in one transaction the order matters.
_LOCKS = re.compile(
    r"(?:ALTER TABLE(?: ONLY)?|LOCK TABLE|CREATE (?:CONSTRAINT )?TRIGGER [^;]+? ON|REFERENCES)"
    r"\s+(?:\w+\.)?\"?(tasks|users)\b"
)


@dataclass(frozen=True)
class Finding:
    """One reason not to run a migration beside a server."""

    rule: str
    message: str


def own_migrations(loader: MigrationLoader) -> list[Migration]:
    """Return the migrations of the apps in this tree, in the order in which they are applied."""
    own = {app.label for app in apps.get_app_configs() if Path(app.path).parent == ROOT}  # not what .venv holds
    keys = [key for leaf in loader.graph.leaf_nodes() for key in loader.graph.forwards_plan(leaf)]
    return [loader.graph.nodes[key] for key in dict.fromkeys(keys) if key[0] in own]


def findings(migration: Migration, loader: MigrationLoader) -> list[Finding]:
    """Return what is unsafe about a migration and not allowed by it, and what it allows for nothing."""
    found = [*_of_operations(migration), *_of_sql(statements(migration, loader), in_transaction=migration.atomic)]
    allowed: dict[str, str] = getattr(migration, "unsafe", {})
    stale = allowed.keys() - {finding.rule for finding in found}
    unexplained = [rule for rule, reason in allowed.items() if len(reason.split()) < 3]
    return [
        *(finding for finding in found if finding.rule not in allowed),
        *(Finding("stale-allowance", f"{rule} is allowed, and not broken") for rule in sorted(stale)),
        *(Finding("unexplained-allowance", f"{rule} is allowed without a reason") for rule in unexplained),
    ]


def statements(migration: Migration, loader: MigrationLoader) -> str:
    """Return the SQL of a migration, forwards."""
    key = (migration.app_label, migration.name)
    is_known = key in loader.graph.nodes
    state = loader.project_state(key, at_end=False) if is_known else loader.project_state()
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        migration.apply(state, editor, collect_sql=True)
    return "\n".join(editor.collected_sql)


def _of_sql(text: str, *, in_transaction: bool) -> Iterator[Finding]:
    command = [str(SQUAWK), "--reporter=json", "--pg-version=15.0", "--stdin-filepath=migration.sql"]
    command += [f"--exclude={','.join(NOT_OURS)}", *(["--assume-in-transaction"] if in_transaction else [])]
    finished = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode in (0, 1), finished.stderr
    for finding in json.loads(finished.stdout):
        yield Finding(finding["rule_name"], f"{finding['message']} {finding['help'] or ''}".strip())
    if drop := _DROP.search(text):
        yield Finding("drop-in-use", f"{drop[0].strip()}: the code of the last release may use it still.")
    locked = _LOCKS.findall(text)
    if in_transaction and locked[:1] == ["users"] and "tasks" in locked and 'CREATE TABLE "tasks"' not in text:
        yield Finding("lock-order", "Who writes a task locks tasks, then users. LOCK TABLE tasks first, or deadlock.")
    if "lock_timeout" in text:
        yield Finding("own-lock-timeout", "migrate sets lock_timeout, and tries again where it was too short.")


def _of_operations(migration: Migration) -> Iterator[Finding]:
    operations = list(_flat(migration.operations))
    for operation in operations:
        if not operation.reversible:
            yield Finding("irreversible", f"{operation.describe()}: there is no way back.")
        if isinstance(operation, AddField) and _is_required(operation):
            yield Finding(
                "required-field",
                f"{operation.describe()}: the code of the last release inserts rows without it. Make it null=True, or"
                " give it a db_default.",
            )
    if migration.atomic and any(isinstance(operation, NotInTransactionMixin) for operation in operations):
        yield Finding("concurrent-in-transaction", "Set atomic = False: what is built concurrently needs no lock.")
    if not migration.atomic and len(migration.operations) > 1:
        yield Finding("half-applied", "Without a transaction a second operation that fails leaves the first behind.")
    data = [operation for operation in operations if isinstance(operation, RunPython)]
    if data and len(data) < len(operations):
        yield Finding("data-beside-schema", "Rows are changed while the table is locked by what comes before.")


def _flat(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _flat(operation.database_operations)
        else:
            yield operation


def _is_required(operation: AddField) -> bool:
    field = operation.field
    return not (field.null or isinstance(field, ManyToManyField) or field.db_default is not NOT_PROVIDED)
