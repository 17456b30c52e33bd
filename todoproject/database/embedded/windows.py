"""What Windows gets: the same names, and one clear answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from .errors import EmbeddedServerError


def _refuse() -> NoReturn:
    raise EmbeddedServerError(
        "DATABASE_URL=embedded needs Linux or macOS: on Windows use WSL, or set DATABASE_URL to a PostgreSQL."
    )


def effective_directory(data_directory: Path) -> Path:
    _refuse()


def socket_directory(data_directory: Path) -> Path:
    _refuse()


def start(data_directory: Path, *, options: Mapping[str, str] = {}) -> None:
    _refuse()


def stop() -> None:
    """Do nothing: nothing was started."""
