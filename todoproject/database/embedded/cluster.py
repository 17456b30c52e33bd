"""The data folder: what it holds, and its making (initdb)."""

import os
import shutil
from pathlib import Path

from .account import Account, listed
from .binaries import Binaries
from .errors import EmbeddedServerError
from .folders import run_directory
from .log import summary


def major_version(directory: Path) -> int | None:
    """Return the PostgreSQL version that made the data folder, and None where there is no data.

    Raise `EmbeddedServerError` for a file, or for a folder that holds something else.
    """
    if not directory.exists():
        return None
    if not directory.is_dir():
        raise EmbeddedServerError(f"{directory} should be the data folder, but is a file: choose another place.")
    version = directory / "PG_VERSION"
    if version.is_file() and (number := version.read_text().partition(".")[0].strip()).isdecimal():
        return int(number)
    if any(directory.iterdir()):
        raise EmbeddedServerError(
            f"{directory} is not empty and holds no PostgreSQL data: choose another data folder, or empty it."
        )
    if directory.is_mount():
        raise EmbeddedServerError(f"{directory} is a mount point: choose a folder inside it as the data folder.")
    return None


def create(directory: Path, account: Account, binaries: Binaries, *, lock: int, sync: bool) -> None:
    """Make the data folder as a whole or not at all: initdb works in another place, and a rename ends it.

    The lock is passed on to initdb: should this process be killed, the lock lasts until initdb has ended too.
    Raise `EmbeddedServerError` where initdb fails, and `OSError`.
    """
    unfinished = run_directory(directory) / "unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    maker = listed(account)
    if maker != account:
        os.chown(unfinished.parent, account.uid, account.gid)
        unfinished.parent.chmod(0o710)
        unfinished.mkdir(0o700)
        os.chown(unfinished, maker.uid, maker.gid)
    failure = _initdb(unfinished, maker, binaries, lock=lock, sync=sync)
    if failure:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise EmbeddedServerError(f"The data folder {directory} could not be made: {failure}")
    if maker != account:
        _give(unfinished, account)
    unfinished.rename(directory)
    _sync(directory.parent)


def _initdb(folder: Path, account: Account, binaries: Binaries, *, lock: int, sync: bool) -> str | None:
    """Return None, or what initdb complained about."""
    # Trust is for the socket, which nobody else can reach; a TCP port is not opened, and would be refused.
    command = [
        *(
            binaries["initdb"],
            "--pgdata",
            folder,
            "--username=postgres",
            "--encoding=UTF8",
            "--data-checksums",
        ),
        *("--auth-local=trust", "--auth-host=reject", *(() if sync else ("--no-sync",))),
    ]
    if binaries.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    result = account.run([*command, "--locale=C.UTF-8"], keep=[lock])
    if "invalid locale name" in result.stdout:
        # An operating system without that locale. Before PostgreSQL 17, case then only changes in ASCII.
        result = account.run([*command, "--locale=C"], keep=[lock])
    return summary(result.stdout) if result.returncode else None


def _give(folder: Path, account: Account) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _sync(folder: Path) -> None:
    # A rename is only safe from a power cut once its folder is written.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
