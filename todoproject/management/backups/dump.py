"""Write a backup: `pg_dump`'s custom format, and what it must hold, seen in one snapshot of the database."""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import IsolationLevel

from todoproject.database import direct_connection
from todoproject.management.backups import contents, manifest, programs
from todoproject.management.backups.contents import Contents
from todoproject.management.backups.errors import BackupError
from todoproject.management.backups.manifest import Manifest
from todoproject.version import VERSION

_LOCK_WAIT_MILLISECONDS = 10_000  # as in contents.py


def target(path: str | None) -> Path:
    """Return where to write: a file as given, or in the folder given, or here, under a name with the time.

    Raises BackupError where there is something already, or the folder is none.
    """
    chosen = Path(path or ".")
    if chosen.is_dir():
        chosen /= f"todo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    if not chosen.parent.is_dir():
        raise BackupError(f"there is no folder {chosen.parent}")
    for existing in (chosen, manifest.path_of(chosen)):
        if os.path.lexists(existing):
            raise BackupError(f"{existing} exists, and is not overwritten: choose another name")
    return chosen


def write(dump: Path, tell: Callable[[str], None]) -> Manifest:
    """Write a backup to a path that is free, as a whole or not at all. Raises BackupError and database errors.

    What a killed backup has left in the same folder is removed.
    """
    _sweep(dump.parent)
    with _unfinished(dump) as file, _unfinished(manifest.path_of(dump)) as description:
        made = _dump(direct_connection.wrapper(), file, tell)
        _sync(file)
        description.write_text(made.dumps(), "utf-8")
        _sync(description)
        # The dump comes last: where it is, all of it is.
        _publish(description, manifest.path_of(dump))
        try:
            _publish(file, dump)
        except BaseException:
            manifest.path_of(dump).unlink()
            raise
    _sync(dump.parent)
    return made


def _dump(connection: BaseDatabaseWrapper, file: Path, tell: Callable[[str], None]) -> Manifest:
    schema = settings.DATABASE_SCHEMA
    with direct_connection.connected(connection) as session:
        server = session.info.server_version
        program = programs.find("pg_dump", server // 10_000)
        session.isolation_level = IsolationLevel.REPEATABLE_READ
        session.read_only = True
        with session.transaction():
            held = contents.read(session, schema, tell)
            if not held.tables:
                raise BackupError(f"there is nothing to back up: schema {schema} of this database holds no table")
            applied = session.execute(_MIGRATIONS.format(schema)).fetchall()
            [(moment, snapshot)] = session.execute("SELECT now(), pg_export_snapshot()").fetchall()
            told = _Tables(held, tell)
            programs.run(program, *_arguments(schema, snapshot, file), connection=connection, tell=told)
            return Manifest(
                created_at=moment.astimezone(UTC).isoformat(timespec="seconds"),
                version=VERSION,
                database=session.info.dbname,
                schema=schema,
                server=server,
                pg_dump=program.major,
                bytes=file.stat().st_size,
                sha256=manifest.digest(file),
                roles=contents.roles(session, schema),
                migrations=[name for (name,) in applied],
                contents=held,
                settings=contents.settings(session, schema),
            )


class _Tables:
    """Puts what pg_dump says into words of ours."""

    def __init__(self, held: Contents, tell: Callable[[str], None]) -> None:
        self._held = held.tables
        self._tell = tell
        self._count = 0

    def __call__(self, line: str) -> None:
        if found := re.fullmatch(r'dumping contents of table "\w+\.(\w+)"', line):
            self._count += 1
            rows = self._held[found[1]].rows
            self._tell(f"writing table {self._count} of {len(self._held)}: {found[1]} ({rows} rows)")


_MIGRATIONS = "SELECT app || '.' || name FROM {}.django_migrations ORDER BY id"


def _arguments(schema: str, snapshot: str, file: Path) -> list[str]:
    wait = f"--lock-wait-timeout={_LOCK_WAIT_MILLISECONDS}"
    return ["--format=custom", f"--schema={schema}", f"--snapshot={snapshot}", wait, f"--file={file}"]


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Make an empty file beside `path` that nobody else may read, and remove it at the end, whatever it has become."""
    file = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}") from error
    try:
        _try_lock(descriptor)  # until we end, however that is
        yield file
    finally:
        with suppress(FileNotFoundError):
            file.unlink()
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove unfinished files of ours that no living process holds."""
    for path in folder.glob(".*.*.unfinished"):
        with suppress(OSError):  # just gone, or somebody else's
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and _try_lock(descriptor):
                    path.unlink()
            finally:
                os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the file system has no locks
        return False
    return True


def _publish(file: Path, path: Path) -> None:
    """Give a finished file its name. A link, because a rename would replace what has come there meanwhile."""
    try:
        path.hardlink_to(file)
    except FileExistsError:
        raise BackupError(f"{path} exists, and is not overwritten: choose another name") from None
    except OSError:  # a file system without links
        file.rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
