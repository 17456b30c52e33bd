"""Accounts and tokens as the API takes and gives them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from accounts.models import Scope, validate_timezone
from todoproject.schemas import Instant, Output, Strict, Text


def _email(text: str) -> str:
    try:
        validate_email(text)
    except ValidationError:
        raise PydanticCustomError("email", "This is not an e-mail address.") from None
    return text


def _timezone(name: str) -> str:
    try:
        validate_timezone(name)
    except ValidationError as error:
        raise PydanticCustomError("timezone", "{reason}", {"reason": error.messages[0]}) from None
    return name


Email = Annotated[
    Text,
    StringConstraints(strip_whitespace=True, max_length=254),
    AfterValidator(_email),
    Field(json_schema_extra={"format": "email"}, examples=["alice@example.com"]),
]
# Long enough for any passphrase, short enough that hashing it costs nothing extra.
Password = Annotated[Text, StringConstraints(max_length=512), Field(examples=["correct horse battery staple"])]


class Register(Strict):
    """A new account."""

    email: Email
    password: Password


class Login(Strict):
    """What proves who somebody is."""

    email: Annotated[Text, StringConstraints(strip_whitespace=True, max_length=254)] = Field(
        examples=["alice@example.com"]
    )
    password: Password


class User(Output):
    """An account, as its owner sees it."""

    id: UUID
    email: str
    timezone: str
    created_at: str = Field(json_schema_extra={"format": "date-time"})


class Session(Output):
    """A token for the account. It is shown this once."""

    token: str = Field(examples=["todo_…"])
    expires_at: str = Field(json_schema_extra={"format": "date-time"})
    user: User


class MePatch(Strict):
    """A JSON merge patch (RFC 7396) of the account."""

    timezone: Annotated[Text, StringConstraints(max_length=64), AfterValidator(_timezone)] = Field(
        default="UTC", examples=["Europe/Berlin"]
    )


def _scopes(value: object) -> object:
    """Turn words into scopes; pydantic's strict mode takes only members of the enumeration."""
    if not isinstance(value, list):
        return value
    return [Scope(word) if isinstance(word, str) and word in Scope.values else word for word in value]


# No later than what can be read again in every time zone.
Expiry = Annotated[Instant, Field(le=datetime(9999, 12, 30, tzinfo=UTC))]


class TokenCreate(Strict):
    """A personal access token to be made."""

    name: Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        examples=["backup script"]
    )
    scopes: Annotated[list[Scope], BeforeValidator(_scopes), Field(min_length=1, max_length=len(Scope))]
    expires_at: Expiry | None = None


class Token(Output):
    """A token, without its secret."""

    id: UUID
    kind: str
    name: str
    scopes: list[Scope]
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    expires_at: str | None = Field(json_schema_extra={"format": "date-time"})
    last_used_at: str | None = Field(json_schema_extra={"format": "date-time"})


class NewToken(Token):
    """A new token. The secret is shown this once."""

    token: str = Field(examples=["todo_…"])


class TokenList(Output):
    """The live tokens of an account, newest first."""

    items: list[Token]
