"""What lies beside a dump, as FILE.json: its checksum, where it comes from, and what it must hold."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from todoproject.management.backups.contents import Contents, Table
from todoproject.management.backups.errors import BackupError

FORMAT = 2  # rises where an older program could not understand the file
_KNOWN = (1, 2)  # the first had no settings


@dataclass(frozen=True)
class Manifest:
    created_at: str
    version: str  # ours, that made it
    database: str
    schema: str
    server: int  # PostgreSQL's version, as a number: 180006
    pg_dump: int  # its major version
    bytes: int
    sha256: str
    roles: list[str]
    migrations: list[str]
    contents: Contents
    settings: list[str] = field(default_factory=list)  # of roles and the database, which no dump holds, as statements

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.contents.tables.values())

    def dumps(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def path_of(dump: Path) -> Path:
    return dump.with_name(f"{dump.name}.json")


def read(dump: Path) -> Manifest:
    """Read what lies beside a dump. Raises BackupError."""
    path = path_of(dump)
    if not dump.is_file():
        raise BackupError(f"{dump} is no file")
    try:
        document = json.loads(path.read_text("utf-8"))
        if document.pop("format") not in _KNOWN:
            raise BackupError(
                f"{path} is of a newer kind: use the version of this project that made it, or a newer one"
            )
        contents = document.pop("contents")
        tables = {name: Table(**table) for name, table in contents.pop("tables").items()}
        return Manifest(**document, contents=Contents(tables=tables, **contents))
    except FileNotFoundError:
        raise BackupError(
            f"{path} is absent: it holds the checksum, and belongs to the dump; copy it to this place, too"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError):
        raise BackupError(f"{path} cannot be read, or is not what `backup` has written") from None


def check(dump: Path, manifest: Manifest, tell: Callable[[str], None]) -> None:
    """Compare a dump with its checksum. Raises BackupError."""
    tell(f"checksum of {dump.name}")
    size = dump.stat().st_size
    if size != manifest.bytes:
        raise BackupError(f"{dump} is damaged: it has {size} bytes instead of {manifest.bytes}; take another copy")
    if digest(dump) != manifest.sha256:
        raise BackupError(f"{dump} is damaged: its checksum is another one than when it was made; take another copy")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def summary(dump: Path, manifest: Manifest) -> dict[str, Any]:
    """Return what a command tells of a backup."""
    counts = {name: table.rows for name, table in manifest.contents.tables.items()}
    return {"file": str(dump), "created_at": manifest.created_at, "bytes": manifest.bytes, "rows": counts}
