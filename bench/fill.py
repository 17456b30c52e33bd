"""Databases full of data: one for each family of peers, made once and copied for each run.

The rows go into two tables of a schema `bench` first; SQL beside each peer (`fill.sql`) puts them into its own. Indexes
are built after the rows, and triggers are off meanwhile, so `fill.sql` says what they would have written.
"""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import Connection

from bench import dataset
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.peers import ROOT, Family, Peer
from bench.postgres import Postgres

_STAGE = """
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
CREATE UNLOGGED TABLE bench.users (number int PRIMARY KEY, id uuid, email text, token text, digest bytea, key text,
    is_spare boolean);
CREATE UNLOGGED TABLE bench.tasks (key uuid, id uuid, user_id uuid, place int, title text, description text,
    is_completed boolean, completed_at timestamptz, priority int, due_on date, due_at timestamptz,
    created_at timestamptz, updated_at timestamptz, deleted_at timestamptz)
"""
# What the load may ask for.
_LIVE = """
CREATE TABLE bench.live AS
SELECT task.id, owner.number AS user_number, owner.is_spare, task.place % 25 = 1 AND NOT task.is_completed AS is_first
  FROM bench.tasks AS task JOIN bench.users AS owner ON owner.id = task.user_id WHERE task.deleted_at IS NULL
"""
# Those that carry no constraint; dropping them makes the load several times as fast.
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid IN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bench'))
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) AND NOT indisprimary
"""

_LINES_AT_ONCE = 1000


def template(server: Postgres, family: Family, sizes: Sizes, tell: Callable[[str], None]) -> str:
    """Return the name of a database with the family's tables and the data; make it where there is none."""
    name = f"{family.name}_{sizes.users}_{sizes.tasks}_{_fingerprint(family)}"
    if not server.exists(name):
        tell(f"filling {family.name}: {sizes.users:,} users, {sizes.tasks:,} tasks")
        unfinished = f"{family.name}_unfinished"
        server.create(unfinished)
        _run(family.migrate, family.environment(server.url(unfinished)))
        _fill(server, unfinished, family, sizes)
        server.rename(unfinished, name)
    return name


def prepare(server: Postgres, peer: Peer, sizes: Sizes, tell: Callable[[str], None]) -> None:
    """Make the database that a peer has in this run: fresh, whatever earlier runs have written."""
    server.create(peer.name, template(server, peer.family, sizes, tell))
    # What belongs to a database but is not in it, such as a role's search_path, is not copied: migrate sets it.
    _run(peer.family.migrate, peer.family.environment(server.url(peer.name)))


def restore(server: Postgres, peer: Peer) -> None:
    """Take back what a load has created and deleted."""
    server.execute(peer.name, *peer.family.restore.split(";"))


def _fingerprint(family: Family) -> str:
    """Return what changes when the tables or the data would be others."""
    digest = hashlib.sha256()
    sources = [
        Path(dataset.__file__),
        Path(__file__),
        *sorted(path for glob in family.sources for path in ROOT.glob(glob)),
    ]
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _run(command: list[str], environment: dict[str, str]) -> None:
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BenchError(f"{' '.join(command)} failed: {(result.stderr or result.stdout).strip()[-2000:]}")


def _fill(server: Postgres, database: str, family: Family, sizes: Sizes) -> None:
    with server.connect(database) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("SET work_mem = '256MB'")
        connection.execute("SET session_replication_role = replica")  # no triggers, no foreign key checks
        connection.execute(_STAGE)
        _copy(connection, f"bench.users ({dataset.USER_COLUMNS})", dataset.users(sizes))
        _copy(connection, f"bench.tasks ({dataset.TASK_COLUMNS})", dataset.tasks(sizes))
        connection.execute("ANALYZE bench.users, bench.tasks")
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        # The tasks of every tenth user are there to be deleted, and nothing else is done to them.
        connection.execute("UPDATE bench.users SET is_spare = number % 10 = 9")
        connection.execute(_LIVE)
        connection.execute("SELECT set_config('bench.members', %s, false)", [family.members])
        connection.execute(family.fill.read_bytes())
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("DROP TABLE bench.tasks")
        connection.execute("RESET session_replication_role")
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _copy(connection: "Connection[tuple[Any, ...]]", table: str, lines: Iterator[str]) -> None:
    """Send lines while they are made, many at a time."""
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as sink:
        while block := "".join(islice(lines, _LINES_AT_ONCE)):
            sink.write(block)
