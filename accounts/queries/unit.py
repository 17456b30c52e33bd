"""What the statements of this package have in common."""

from psycopg import sql

from accounts.models import Scope
from accounts.schemas import Token, User
from todoproject.database.client.statement import ACCOUNT_ROLE, Statement

USER_FIELDS = tuple(User.model_fields)
TOKEN_FIELDS = tuple(Token.model_fields)
NEW_TOKEN = ("id", "kind", "name", "digest", "scopes", "expires_at")
# Columns that Django fills in Python; the database has no default for them.
NEW_USER: dict[str, sql.Composable] = {
    "timezone": sql.Literal("UTC"),
    "is_staff": sql.Literal(False),
    "is_active": sql.Literal(True),
    "is_superuser": sql.Literal(False),
}
NOW = sql.SQL("statement_timestamp()")


def fenced(
    query: str, scope: Scope | None = Scope.ACCOUNT, *, repeatable: bool = False, writes: bool = False
) -> Statement:
    """Put a statement about the account at hand behind its fence."""
    return Statement.fenced(query, scope=scope, role=ACCOUNT_ROLE, repeatable=repeatable, writes=writes)
