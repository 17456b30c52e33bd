"""The server's log, and what is worth telling of it."""

import os
import re
from pathlib import Path

from .account import Account
from .folders import run_directory
from .locks import open_owned

_MAX_BYTES = 10_000_000
_TELLING = re.compile(r"(?:FATAL|PANIC|ERROR|DETAIL|HINT|error): .*")


def path(directory: Path) -> Path:
    return run_directory(directory) / "server.log"


def open_for_append(directory: Path, account: Account) -> int:
    """Open the log, beginning a new one beyond 10 MB; the one before it is kept."""
    file = path(directory)
    if file.exists() and file.stat().st_size > _MAX_BYTES:
        file.replace(file.with_suffix(".log.1"))
    return open_owned(file, os.O_RDWR | os.O_APPEND, account)


def read_from(descriptor: int, offset: int) -> str:
    return os.pread(descriptor, _MAX_BYTES, offset).decode(errors="replace")


def summary(text: str) -> str:
    """Return the last telling lines of some output as one line."""
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [found[0] for line in lines if (found := _TELLING.search(line))]
    return "; ".join((telling or lines or ["it said nothing (is the disk full?)"])[-3:])
