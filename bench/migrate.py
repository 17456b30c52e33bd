"""What does the way from the last release cost while people work? `migrate` of a full database, beside a client.

The schema is that of the last release: migrations that are out never change, so today's code makes it, up to the last
migration of then. The client writes and reads as the release did, in plain SQL: the triggers, locks and indexes that it
meets are the same as a server's, and no server of one version runs on the schema of both ends.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg

from bench import fill
from bench.errors import BenchError
from bench.peers import OURS, OURS_FAMILY, PEERS, ROOT, python
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress

# The last migrations of 0.1.0.
RELEASED = {"accounts": "0013_quick_token_check", "tasks": "0006_quick_words"}
_TARGETS = "; ".join(f"call_command('migrate', {app!r}, {name!r}, verbosity=0)" for app, name in RELEASED.items())
LAST = replace(
    OURS,
    name="last_release",
    family=replace(
        OURS_FAMILY,
        name="last_release",
        migrate=python(
            *("manage.py", "shell", "--verbosity=0", "--no-imports", "--command"),
            f"from django.core.management import call_command; {_TARGETS}",
        ),
        fill=PEERS / "last_release.sql",
        sources=("bench/migrate.py", "bench/peers/last_release.sql"),
    ),
)
_ALONE_SECONDS = 5.0
_PAUSE_SECONDS = 0.005  # between two writes: the client is one person, no load
_LOOK_SECONDS = 0.002
# What somebody who reads or writes would have to wait for.
_LOCKS = """
SELECT coalesce(string_agg(DISTINCT concat(mode, ' on ', relation::regclass), ', '), '')
  FROM pg_locks JOIN pg_stat_activity AS session USING (pid)
 WHERE locktype = 'relation' AND granted AND backend_type = 'client backend' AND datname = current_database()
   AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   AND relation IN (SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
                     WHERE nspname = 'todo' AND relkind = 'r' AND relname = ANY (%s))
"""
_TABLES = ["users", "access_tokens", "tasks", "idempotency_keys"]  # those that requests of the release read and write
_INSERT = """
INSERT INTO todo.tasks (key, id, user_id, title, description, is_completed, priority)
VALUES (gen_random_uuid(), gen_random_uuid(), %s, 'Written meanwhile', '', false, 0) RETURNING key
"""
_UPDATE = "UPDATE todo.tasks SET title = title || '.' WHERE key = %s"
_READ = """
SELECT id, title, description, is_completed, priority, due_on, due_at, created_at, version FROM todo.tasks
 WHERE user_id = %s AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 50
"""


@dataclass
class Step:
    """A migration: when it began, how long it took, its longest lock, and the client's longest wait meanwhile."""

    name: str
    began: float
    seconds: float = 0.0
    lock_ms: float = 0.0
    lock: str = ""
    wait_ms: float = 0.0


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Migrate a copy of the last release's database; return what it took, in all and by migration."""
    progress.begin("preparing the last release")
    fill.prepare(postgres, LAST, plan.sizes, progress.tell)
    with _client(postgres) as client, _looking(postgres) as locks:
        time.sleep(_ALONE_SECONDS)
        alone = [wait for _, wait in client]
        progress.begin("migrating")
        began = time.perf_counter()
        steps = list(_migrate(postgres, progress))
        seconds = time.perf_counter() - began
    waits = [(at, wait) for at, wait in client if at + wait >= began]
    for step in steps:
        judge(step, locks, waits)
    return {
        "tasks": plan.sizes.tasks,
        "users": plan.sizes.users,
        "seconds": seconds,
        "written": len(waits),
        "alone_ms": max(alone) * 1000,
        "wait_ms": max(wait for _, wait in waits) * 1000,
        "lock_ms": max(step.lock_ms for step in steps),
        "steps": [asdict(step) for step in steps],
    }


def _migrate(postgres: Postgres, progress: Progress) -> Iterator[Step]:
    """Run `migrate` and yield each migration when it is over."""
    environment = {**os.environ, **OURS.family.environment(postgres.url(LAST.name)), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        python("manage.py", "migrate", "--no-color"),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    step, told = None, ""
    while character := process.stdout.read(1):  # a line begins with the migration, and ends with it
        told += character
        if step is None and told.endswith("...") and "Applying " in (line := told.rpartition("\n")[2]):
            step = Step(line.rpartition(" ")[2].removesuffix("..."), time.perf_counter())
            progress.note(step.name)
        elif step is not None and told.endswith(" OK"):
            step.seconds = time.perf_counter() - step.began
            yield step
            step = None
    if process.wait():
        raise BenchError(f"migrate failed: {told.strip()[-2000:]}")


@contextmanager
def _client(postgres: Postgres) -> Iterator[list[tuple[float, float]]]:
    """Write and read without end, as the tables' owner; give when each time began, and how long it took."""
    found: list[tuple[float, float]] = []
    with postgres.connect(LAST.name) as connection:
        owner = connection.execute("SELECT id FROM bench.users ORDER BY number LIMIT 1").fetchall()[0][0]

    def work(connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        began = time.perf_counter()
        key = connection.execute(_INSERT, [owner]).fetchall()[0][0]
        connection.execute(_UPDATE, [key])
        connection.execute(_READ, [owner])
        found.append((began, time.perf_counter() - began))

    with _again_and_again(postgres, work, _PAUSE_SECONDS):
        yield found


@contextmanager
def _looking(postgres: Postgres) -> Iterator[list[tuple[float, str]]]:
    """Look without end at the locks that others would wait for; give when which were held."""
    found: list[tuple[float, str]] = []

    def look(connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        held = str(connection.execute(_LOCKS, [_TABLES]).fetchall()[0][0])
        found.append((time.perf_counter(), held))

    with _again_and_again(postgres, look, _LOOK_SECONDS):
        yield found


@contextmanager
def _again_and_again(
    postgres: Postgres, work: Callable[["psycopg.Connection[tuple[Any, ...]]"], None], pause: float
) -> Iterator[None]:
    """Do something beside, on a connection of its own; what it raises is raised at the end."""
    ended = threading.Event()

    def go_on() -> None:
        with psycopg.connect(postgres.url(LAST.name), autocommit=True) as connection:
            while not ended.wait(pause):
                work(connection)

    with ThreadPoolExecutor(1) as executor:
        working = executor.submit(go_on)
        try:
            yield
        finally:
            ended.set()
        try:
            working.result()
        except psycopg.Error as error:
            raise BenchError(f"a client failed while the database was migrated: {error}") from error


def judge(step: Step, locks: list[tuple[float, str]], waits: list[tuple[float, float]]) -> None:
    """Note the longest lock of a step, from the last look without it to the first one after, and the longest wait."""
    ended = step.began + step.seconds
    step.wait_ms = max((wait for at, wait in waits if at < ended and at + wait > step.began), default=0.0) * 1000
    free = step.began
    for at, held in locks:
        if not step.began <= at <= ended:
            continue
        if not held:
            free = at
        elif (at - free) * 1000 > step.lock_ms:
            step.lock_ms, step.lock = (at - free) * 1000, held
