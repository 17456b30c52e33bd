"""The request unit: what of a request travels to PostgreSQL together, and what comes back.

A unit is two commands that travel as one round trip. The first checks the token, binds its user and takes on a role
without rights of its own; the second is the request's statement. They are one transaction: an error undoes both, and
role and user end with it, whatever happens. A read's is implicit; around a write stand BEGIN and COMMIT, because the
isolation level must not be whatever the role's default is, and because COMMIT says whether it has committed.
"""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import cast

from django.conf import settings
from psycopg import sql
from psycopg.pq.abc import PGresult

from todoproject.database.client.command import Command

Parameters = Mapping[str, object]
NOTHING: Parameters = MappingProxyType({})

API_ROLE = f"{settings.DATABASE_ROLE_PREFIX}_api"  # may read and write task content, fenced by row-level security
ACCOUNT_ROLE = f"{settings.DATABASE_ROLE_PREFIX}_account"  # may read and write an account's own rows, fenced likewise


@dataclass(slots=True, eq=False)
class Credentials:
    """What a request proves who it is with: the digest of its token, and the user, once PostgreSQL has accepted it."""

    digest: bytes = field(repr=False)
    user_id: str | None = None
    request_id: str = ""  # what the log of changes calls the request
    kinds: tuple[str, ...] = ()  # of which the token is one; none named: a login or a personal token


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the API, ready to be sent: the query, and the preamble that must come before it.

    `repeatable` says that sending it twice does no harm, so a connection that breaks under it is worth a second try.
    `writes` says that it changes something: it is sent between BEGIN and COMMIT.
    `counts` says that it is asked behind it how much it has changed.
    `is_fenced` says that it begins with the token check, which returns the user.
    `is_trial` says that what it does is to be undone: it is sent between BEGIN and ROLLBACK.
    """

    preamble: Command | None
    query: Command
    repeatable: bool
    is_fenced: bool
    writes: bool = False
    role: str | None = None  # that it is run in
    scope: str | None = None  # that its token must have
    counts: bool = False
    notes_use: bool = True
    tells: str = ""  # what the preamble selects besides
    is_trial: bool = False

    def tried(self) -> "Statement":
        """Return the statement as a dry run sends it; nothing happens, so sending it twice does no harm."""
        return replace(self, is_trial=True, repeatable=True)

    @classmethod
    def fenced(
        cls,
        query: str,
        *,
        scope: str | None,
        role: str = API_ROLE,
        repeatable: bool = False,
        writes: bool = False,
        counts: bool = False,
        notes_use: bool = True,
    ) -> "Statement":
        """Put the token check, the user and the role in front of `query`. With no `scope`, any live token will do.

        What `writes` an owner's rows locks the owner first, so that its snapshot is newer than the lock and no two
        writers can wait for each other. What comes before such a write in its transaction may lock nothing: it does not
        note the token's use (`notes_use`), which the write does.
        """
        preamble = _token_check(scope, role, writes, notes_use, ())
        return cls(preamble, Command.parse(query), repeatable, True, writes, role, scope, counts, notes_use)

    @classmethod
    def continuing(cls, query: str, *, role: str) -> "Statement":
        """Put only the role in front: for a transaction whose user is bound, but whose token may have just ended."""
        preamble = sql.SQL("SELECT set_config('role', {}, true)").format(sql.Literal(role))
        return cls(Command.parse(preamble.as_string(None)), Command.parse(query), False, is_fenced=False, role=role)

    @classmethod
    def unfenced(cls, query: str, *, repeatable: bool = False, writes: bool = False) -> "Statement":
        """Put only the search_path in front: for what happens before anybody is known, register and login."""
        path = sql.SQL("SELECT set_config('search_path', {}, true)").format(sql.Literal(settings.DATABASE_SCHEMA))
        preamble = Command.parse(path.as_string(None))
        return cls(preamble, Command.parse(query), repeatable, is_fenced=False, writes=writes)

    def preamble_for(self, credentials: Credentials, ordinary: Command) -> Command:
        """Return the preamble that takes a token of the kinds that these credentials may be, else the ordinary one."""
        if not credentials.kinds:
            return ordinary
        check = _token_check(self.scope, str(self.role), self.writes, self.notes_use, credentials.kinds)
        return check.extended(self.tells) if self.tells else check


@lru_cache(maxsize=256)  # scopes, roles and kinds: a few dozen
def _token_check(scope: str | None, role: str, writes: bool, notes_use: bool, kinds: tuple[str, ...]) -> Command:
    # The log of changes names the request that a write was made by.
    noting = ", set_config('app.request_id', %(request_id)s, true)" if writes and role == API_ROLE else ""
    of_kinds = sql.SQL(", {}").format(sql.Literal(f"{{{','.join(kinds)}}}")) if kinds else sql.SQL("")
    check = sql.SQL(
        f"SELECT {{}}.open_request(%(token_digest)s, {{}}, {{}}{{}}), set_config('role', {{}}, true){noting}"
    )
    return Command.parse(
        check.format(
            sql.Identifier(settings.DATABASE_SCHEMA),
            sql.Literal("{}" if scope is None else f"{{{scope}}}"),
            sql.Literal(writes if notes_use else None),
            of_kinds,
            sql.Literal(role),
        ).as_string(None)
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement returned, as the bytes that PostgreSQL sent, the user it was run for, and its preamble's row.

    `counted` is what was asked behind it: how much it has changed.
    """

    result: PGresult
    user_id: str | None
    preamble: PGresult | None = None
    counted: PGresult | None = None

    @property
    def affected(self) -> int:
        """How many things the statement has changed, its triggers included; 0 where it was not asked."""
        return int(self.counted.get_value(0, 0) or 0) if self.counted is not None else 0

    @property
    def change_no(self) -> str | None:
        """The last number that it took; None where it took none."""
        number = self.counted.get_value(0, 1) if self.counted is not None and self.affected else None
        return None if number is None else number.decode()

    def __len__(self) -> int:
        return self.result.ntuples

    def value(self, row: int, column: int) -> bytes | None:
        """Return a value in PostgreSQL's text format, or None for NULL."""
        return self.result.get_value(row, column)

    def bytes(self, row: int, column: int) -> "builtins.bytes":
        """Return a value that is never NULL."""
        return cast(builtins.bytes, self.result.get_value(row, column))

    def text(self, row: int, column: int) -> str:
        """Return a value that is never NULL, decoded."""
        return self.bytes(row, column).decode()
