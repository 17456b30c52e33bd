"""What an export of an account is made of.

`accounts` knows nothing of `tasks`: each app has a part, and `todoproject/api.py` puts them together.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from accounts.models import AccessToken, User
from accounts.queries.unit import fenced
from accounts.schemas import ExportedAccount, ExportedToken
from todoproject.database.client import sql
from todoproject.database.client.sql import CurrentUser
from todoproject.database.client.statement import Statement

# Returns a statement, behind the fence, of one row with one column: JSON.
Part = Callable[[], Statement]
_parts: dict[str, Part] = {}


def add(name: str, part: Part) -> None:
    """Make a part of every export, as its member `name`."""
    _parts[name] = part


def parts() -> Iterable[tuple[str, Part]]:
    """Return all parts, in the order they were added in."""
    return _parts.items()


def array(objects: str) -> str:
    """Wrap a SELECT of JSON objects so that it returns one array of them."""
    return f"SELECT '[' || coalesce(string_agg(object::text, ','), '') || ']' FROM ({objects}) AS objects (object)"  # noqa: S608 -- composed of our own statements


@lru_cache
def _account() -> Statement:
    fields = tuple(ExportedAccount.model_fields)
    rows = sql.select(User.objects.filter(id=CurrentUser()).values(*fields))
    return fenced(sql.as_json(rows, User, fields), repeatable=True)


@lru_cache
def _tokens() -> Statement:
    fields = tuple(ExportedToken.model_fields)
    rows = sql.select(AccessToken.objects.filter(user=CurrentUser()).order_by("id").values(*fields))
    return fenced(array(sql.as_json(rows, AccessToken, fields)), repeatable=True)


add("account", _account)
add("tokens", _tokens)
