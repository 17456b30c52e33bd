"""Where an address leads: the list behind it, which never changes, and the path of the address itself."""

from functools import lru_cache
from uuid import UUID

from accounts.models import Scope
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement

ROOT = "todo-backend"
KINDS = ("backend",)
_MOST_KNOWN = 4096
# By the secret's digest; so what cannot change is asked for once. What comes behind it checks the secret anew.
_known: dict[bytes, UUID | None] = {}


@lru_cache
def _address() -> Statement:
    return Statement.fenced("SELECT list_id FROM current_address()", scope=Scope.TASKS_READ, repeatable=True)


async def list_behind(credentials: Credentials) -> UUID | None:
    """Return the list whose tasks are the todos of an address; None is the inbox. Raises InvalidToken."""
    if credentials.digest in _known:
        return _known[credentials.digest]
    value = (await pool.execute(_address(), credentials=credentials)).value(0, 0)
    if len(_known) >= _MOST_KNOWN:
        del _known[next(iter(_known))]
    found = _known[credentials.digest] = None if value is None else UUID(value.decode())
    return found


def secret_of(path: str) -> str | None:
    """Return the secret that a path behind the door holds."""
    return path.removeprefix(f"/{ROOT}").strip("/").split("/")[0] or None


def root_of(path: str) -> str:
    """Return the path of the address in which this one is."""
    return f"/{ROOT}/{secret_of(path)}"
