"""Accounts and tokens as the API takes and gives them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts import addresses
from accounts.models import AccessToken, Scope, validate_timezone
from todoproject.http.field_types import Instant, Output, Storable, Strict, Text, open_words
from todoproject.http.read_only import AS_GIVEN, ReadOnlyMembers


def _email(validate: Callable[[str], None]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            validate(text)
        except ValidationError:
            raise PydanticCustomError("email", "This is not an e-mail address.") from None
        return text

    return AfterValidator(check)


def _timezone(name: str) -> str:
    try:
        validate_timezone(name)
    except ValidationError as error:
        raise PydanticCustomError("timezone", "{reason}", {"reason": error.messages[0]}) from None
    return name


_Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), Storable]
_EMAIL = Field(json_schema_extra={"format": "email"}, examples=["alice@example.com"])
# What an account may be given.
Email = Annotated[_Email, _email(addresses.validate), _EMAIL]
# What an account may have: there are some from before, which today's rule would refuse.
KnownEmail = Annotated[_Email, _email(validate_email), _EMAIL]
# Long enough for any passphrase, short enough that hashing it costs nothing extra.
Password = Annotated[str, StringConstraints(max_length=512), Storable, Field(examples=["correct horse battery staple"])]


class Register(Strict):
    """A new account."""

    email: Email
    password: Password


class Login(Strict):
    """What proves who somebody is."""

    email: _Email = Field(examples=["alice@example.com"])
    password: Password


class EmailAddress(Strict):
    """Whom a mail goes to, if there is such an account."""

    email: KnownEmail


# What is mailed is shorter; anything else is no secret of ours.
LinkSecret = Annotated[
    str, StringConstraints(min_length=1, max_length=100), Storable, Field(examples=["the code from the mail"])
]
RevokeTokens = Annotated[bool, Field(description="End personal access tokens too, not only logins.")]


class EmailVerification(Strict):
    """The code from a verification mail, and the password of the account that it opens.

    Whoever registered may not be who reads the address, so the password of the registration is none. Without one here
    the account opens with none, and a code to set one is mailed.
    """

    token: LinkSecret
    password: Password | None = None


class PasswordReset(Strict):
    """The code from a mail for a new password, and the new password."""

    token: LinkSecret
    password: Password
    revoke_tokens: RevokeTokens = False


class PasswordChange(Strict):
    """The password as it is, and as it shall be."""

    current_password: Password
    new_password: Password
    revoke_tokens: RevokeTokens = False


class Erasure(Strict):
    """The password, to confirm that the account shall be erased."""

    password: Password


class EmailChange(Strict):
    """The password, to confirm it, and the address that the account shall have."""

    password: Password
    new_email: Email


class LogoutEverywhere(Strict):
    """Whether personal access tokens end, too."""

    revoke_tokens: RevokeTokens = False


class Accepted(Output):
    """A mail is on its way, if there is anything to send; the answer does not say."""

    detail: str = Field(examples=["If that is possible, a mail is on its way."])


class User(Output):
    """An account, as its owner sees it."""

    id: UUID
    email: str
    email_verified_at: str | None = Field(json_schema_extra={"format": "date-time"})
    timezone: str
    reminder_mail: bool = Field(description="Whether reminders come as mail, too: to an e-mail that is verified.")
    created_at: str = Field(json_schema_extra={"format": "date-time"})


class Session(Output):
    """A token for the account. It is shown this once."""

    token: str = Field(examples=["todo_…"])
    expires_at: str = Field(json_schema_extra={"format": "date-time"})
    user: User


class ActiveSession(Output):
    """A login that has neither ended nor expired."""

    id: UUID
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    expires_at: str = Field(json_schema_extra={"format": "date-time"})
    last_used_at: str | None = Field(json_schema_extra={"format": "date-time"})
    is_current: bool = Field(description="Whether this request carries its token.")


class SessionList(Output):
    """The live logins of an account, newest first."""

    items: list[ActiveSession]


def _patch_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults: what a patch leaves out stays as it is, and generated clients must not fill it in."""
    for member in schema["properties"].values():
        member.pop("default", None)


class MePatch(ReadOnlyMembers):
    """A JSON merge patch (RFC 7396) of the account.

    What is changed elsewhere, or by the server only, may come back as it was given, and is compared.
    """

    model_config = ConfigDict(json_schema_extra=_patch_schema)

    email: Text = Field("", description=f"{AS_GIVEN} `POST /v1/me/email` changes it.")
    email_verified_at: Instant | None = Field(None, description=AS_GIVEN)

    timezone: Annotated[str, StringConstraints(max_length=64), Storable, AfterValidator(_timezone)] = Field(
        default="UTC", examples=["Europe/Berlin"]
    )
    reminder_mail: bool = Field(default=False, description="Whether reminders come as mail, too.")


# No later than what can be read again in every time zone.
LAST_EXPIRY = datetime(9999, 12, 30, tzinfo=UTC)


def _future(expiry: datetime) -> datetime:
    if expiry <= timezone.now():
        raise PydanticCustomError("past", "This time has passed.")
    return expiry


Expiry = Annotated[Instant, Field(le=LAST_EXPIRY), AfterValidator(_future)]


class TokenCreate(Strict):
    """A personal access token to be made, or with `kind` the secret of an address for other clients."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Storable] = Field(
        examples=["backup script"]
    )
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=len(Scope))]
    expires_at: Expiry | None = None
    kind: Literal["personal", "backend"] = Field(
        "personal",
        description="`backend`: no bearer token but the secret of an address for clients of Todo-Backend.",
    )
    list_id: Annotated[UUID, Field(strict=False)] | None = Field(
        None, description="Of a `backend`, the list whose tasks are behind the address; null is the inbox."
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "personal" and self.list_id is not None:
            raise PydanticCustomError("list_of_personal", "Only a backend has a list.")
        if self.kind == "backend" and Scope.ACCOUNT in self.scopes:
            raise PydanticCustomError("scope_of_backend", "A backend has the scopes tasks:read and tasks:write only.")
        return self


class Token(Output):
    """A token, without its secret."""

    id: UUID
    # Open: other kinds may come, and a client must not fall over one.
    kind: str = Field(json_schema_extra=open_words(AccessToken.Kind.values))
    name: str
    scopes: list[Scope]
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    expires_at: str | None = Field(json_schema_extra={"format": "date-time"})
    last_used_at: str | None = Field(json_schema_extra={"format": "date-time"})
    rotated_at: str | None = Field(
        json_schema_extra={"format": "date-time"}, description="Since when it has a successor."
    )
    list_id: UUID | None = Field(description="Of a `backend`, its list; null is the inbox.")


class NewToken(Token):
    """A new token. The secret is shown this once."""

    token: str = Field(examples=["todo_…"])


class TokenList(Output):
    """The live tokens of an account, newest first."""

    items: list[Token]


class ExportedAccount(User):
    """All that is held of an account itself, but for the password's hash."""

    is_active: bool
    is_staff: bool
    last_login: str | None = Field(json_schema_extra={"format": "date-time"})


class ExportedToken(Token):
    """A token, live or not, without its secret."""

    revoked_at: str | None = Field(json_schema_extra={"format": "date-time"})


class Export(BaseModel):
    """Everything that is held about an account; other apps add members, such as `tasks`."""

    model_config = ConfigDict(extra="allow")

    account: ExportedAccount
    tokens: list[ExportedToken]
