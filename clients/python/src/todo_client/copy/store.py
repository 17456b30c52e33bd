"""The SQLite file: what the server has told, and how far it was read."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from todo_client.models import ChangesPage, Document

_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
  kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, run INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS edits (
  number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, op TEXT NOT NULL, data TEXT NOT NULL,
  version INTEGER, batch TEXT, state TEXT NOT NULL DEFAULT 'pending', problem TEXT
);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT);
"""
# Another program that has the file open writes for milliseconds.
_LOCK_SECONDS = 10.0


class Store:
    """The file, opened by one thread."""

    def __init__(self, path: str | Path) -> None:
        if str(path) != ":memory:":
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # somebody's tasks: for nobody else to read
        self._connection = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of it, or nothing; one writer at a time, also of other processes."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        return self._connection.execute(statement, values).fetchall()

    # What the server has told.

    def documents(self, kind: str) -> dict[str, Document]:
        """Return the things of a kind as the server has told of them, by id."""
        rows = self.rows("SELECT id, document FROM things WHERE kind = ?", kind)
        return {row["id"]: json.loads(row["document"]) for row in rows}

    def document(self, kind: str, id: str) -> Document | None:
        """Return one of them."""
        rows = self.rows("SELECT document FROM things WHERE kind = ? AND id = ?", kind, id)
        return json.loads(rows[0]["document"]) if rows else None

    def version(self, kind: str, id: str) -> int | None:
        """Return the version that the server has told of; None for what it has never acknowledged."""
        rows = self.rows("SELECT version FROM things WHERE kind = ? AND id = ?", kind, id)
        return int(rows[0]["version"]) if rows else None

    def keep(self, kind: str, document: Document) -> None:
        """Keep a thing as the server has told of it."""
        self.execute(
            "INSERT OR REPLACE INTO things (kind, id, version, run, document) VALUES (?, ?, ?, ?, ?)",
            *(kind, document["id"], document["version"], self._run, json.dumps(document)),
        )

    def drop(self, kind: str, id: str) -> None:
        self.execute("DELETE FROM things WHERE kind = ? AND id = ?", kind, id)

    # How far the feed was read. A run begins without a cursor; what it does not name is not there any more.

    @property
    def cursor(self) -> str | None:
        return self._state("cursor")

    @property
    def _run(self) -> int:
        return int(self._state("run") or 0)

    def begin_anew(self) -> None:
        """Begin a run from the beginning of the feed; until it is through, what is there stays readable."""
        with self.transaction():
            self._set(cursor=None, run=str(self._run + 1), is_anew="yes")

    def take(self, page: ChangesPage) -> None:
        """Keep a page of the feed together with its cursor: both or neither."""
        with self.transaction():
            for change in page.items:
                if change.is_deleted:
                    self.drop(change.kind, change.id)
                elif change.kind in {"task", "list"}:
                    self.keep(change.kind, change.document[change.kind])
            self._set(cursor=page.next_cursor)
            if not page.has_more and self._state("is_anew"):
                self.execute("DELETE FROM things WHERE run < ?", self._run)
                self._set(is_anew=None)

    def _state(self, name: str) -> str | None:
        rows = self.rows("SELECT value FROM state WHERE name = ?", name)
        return rows[0]["value"] if rows else None

    def _set(self, **values: str | None) -> None:
        for name, value in values.items():
            self.execute("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", name, value)
