"""Direct connections to the tests' PostgreSQL, as the owner of the tables."""

from typing import Any

import psycopg
from django.conf import settings

from tests.environment import FOLDER
from todoproject.database import embedded


def connect(database: str | None = None, **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
    """Connect to the test database, or to another one of the same server."""
    where: dict[str, Any] = {
        "dbname": database or settings.DATABASES["default"]["NAME"],
        "user": embedded.OWNER,
        "host": str(embedded.socket_directory(FOLDER / "postgres")),
    }
    return psycopg.connect(**where | options)
