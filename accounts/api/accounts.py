"""Accounts over HTTP: validated input in, one call, bytes out."""

from typing import TYPE_CHECKING

from django.http import HttpResponse
from ninja import Router

from accounts import audit, passwords, queries, throttling
from accounts.schemas import (
    Accepted,
    EmailAddress,
    EmailChange,
    EmailVerification,
    Erasure,
    Export,
    Login,
    MePatch,
    PasswordChange,
    PasswordReset,
    Register,
    Session,
    User,
)
from todoproject.http import client_address
from todoproject.http.problems import (
    EMAIL_TAKEN,
    INVALID,
    INVALID_LINK,
    OVERLOADED,
    SCOPE_MISSING,
    UNAUTHENTICATED,
    WRONG_CREDENTIALS,
    WRONG_PASSWORD,
)
from todoproject.http.responses import json_response, no_content
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest
    from todoproject.http.request import ApiRequest

router = Router()

_NO_STORE = {"Cache-Control": "no-store"}


def _accepted() -> HttpResponse:
    return json_response(b'{"detail":"If that is possible, a mail is on its way."}', 202)


def _session(row: queries.SessionRow) -> HttpResponse:
    body = b'{"token":"%b","expires_at":"%b","user":%b}' % (
        row.token.encode(),
        row.expires_at.encode(),
        row.user,
    )
    return json_response(body, 201, _NO_STORE)


@router.post(
    "/auth/register",
    auth=None,
    tags=["accounts"],
    operation_id="register",
    summary="Create an account and log in; 202 where the e-mail has to be verified first",
    response=answers({201: Session, 202: Accepted}, EMAIL_TAKEN, INVALID, OVERLOADED),
)
async def register(request: "ApiRequest", account: Register) -> HttpResponse:
    await throttling.take(throttling.REGISTER, account.email, client_address.of(request))
    passwords.validate(account.password, email=account.email)
    session = await queries.register(request.work, account.email, account.password, audit.origin(request))
    return _session(session) if session else _accepted()


@router.post(
    "/auth/verify-email",
    auth=None,
    tags=["accounts"],
    operation_id="verify_email",
    summary="Open the account, or give it its new e-mail, with the code from the mail",
    response=answers({204: None}, INVALID_LINK, INVALID, OVERLOADED),
)
async def verify_email(request: "ApiRequest", verification: EmailVerification) -> HttpResponse:
    await throttling.take(throttling.CODE, "", client_address.of(request))
    if verification.password is not None:
        passwords.validate(verification.password)
    await queries.verify_email(request.work, verification.token, verification.password, audit.origin(request))
    return no_content()


@router.post(
    "/auth/password-reset",
    auth=None,
    tags=["accounts"],
    operation_id="request_password_reset",
    summary="Have a code for a new password mailed",
    response=answers({202: Accepted}, INVALID),
)
async def request_password_reset(request: "ApiRequest", address: EmailAddress) -> HttpResponse:
    await throttling.take(throttling.PASSWORD_RESET, address.email, client_address.of(request))
    await queries.request_reset(request.work, address.email)
    return _accepted()


@router.post(
    "/auth/password-reset/confirm",
    auth=None,
    tags=["accounts"],
    operation_id="confirm_password_reset",
    summary="Set a new password, with the code from the mail; every login ends",
    response=answers({204: None}, INVALID_LINK, INVALID, OVERLOADED),
)
async def confirm_password_reset(request: "ApiRequest", reset: PasswordReset) -> HttpResponse:
    await throttling.take(throttling.CODE, "", client_address.of(request))
    passwords.validate(reset.password)
    await queries.confirm_reset(request.work, reset.token, reset.password, revoke_tokens=reset.revoke_tokens)
    return no_content()


@router.post(
    "/auth/login",
    auth=None,
    tags=["accounts"],
    operation_id="login",
    summary="Log in",
    response=answers({201: Session}, WRONG_CREDENTIALS, INVALID, OVERLOADED),
)
async def login(request: "ApiRequest", account: Login) -> HttpResponse:
    address = client_address.of(request)
    await throttling.take(throttling.LOGIN, account.email, address)
    session = await queries.login(request.work, account.email, account.password, audit.origin(request))
    await throttling.give_back(throttling.LOGIN, account.email, address)
    return _session(session)


@router.post(
    "/auth/logout",
    tags=["accounts"],
    operation_id="logout",
    summary="End the token in use",
    response=answers({204: None}, UNAUTHENTICATED),
)
async def logout(request: "AuthenticatedRequest") -> HttpResponse:
    await queries.logout(request.work, request.auth, audit.origin(request))
    return no_content()


@router.get(
    "/me",
    tags=["accounts"],
    operation_id="get_me",
    summary="Show the account",
    response=answers({200: User}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def get_me(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.get_me(request.work, request.auth))


@router.patch(
    "/me",
    tags=["accounts"],
    operation_id="patch_me",
    summary="Change the account",
    response=answers({200: User}, UNAUTHENTICATED, SCOPE_MISSING, INVALID),
)
async def patch_me(request: "AuthenticatedRequest", me: MePatch) -> HttpResponse:
    return json_response(await queries.patch_me(request.work, request.auth, me))


@router.delete(
    "/me",
    tags=["accounts"],
    operation_id="erase_me",
    summary="Erase the account with everything in it, for good",
    response=answers({204: None}, UNAUTHENTICATED, SCOPE_MISSING, WRONG_PASSWORD, INVALID, OVERLOADED),
)
async def erase_me(request: "AuthenticatedRequest", erasure: Erasure) -> HttpResponse:
    known = await queries.confirm_password(request.auth, erasure.password, client_address.of(request))
    await queries.erase(request.work, request.auth, known)
    return no_content()


@router.post(
    "/me/password",
    tags=["accounts"],
    operation_id="change_password",
    summary="Change the password; every other login ends",
    response=answers({204: None}, UNAUTHENTICATED, SCOPE_MISSING, WRONG_PASSWORD, INVALID, OVERLOADED),
)
async def change_password(request: "AuthenticatedRequest", change: PasswordChange) -> HttpResponse:
    passwords.validate(change.new_password, "new_password")
    known = await queries.confirm_password(request.auth, change.current_password, client_address.of(request))
    passwords.validate(change.new_password, "new_password", email=known.email)
    new = await passwords.hash_password(change.new_password)
    await queries.change_password(request.work, request.auth, known, new, revoke_tokens=change.revoke_tokens)
    return no_content()


@router.post(
    "/me/email",
    tags=["accounts"],
    operation_id="change_email",
    summary="Change the e-mail; 202 where the new address has to be verified first",
    response=answers(
        {200: User, 202: Accepted}, UNAUTHENTICATED, SCOPE_MISSING, WRONG_PASSWORD, EMAIL_TAKEN, INVALID, OVERLOADED
    ),
)
async def change_email(request: "AuthenticatedRequest", change: EmailChange) -> HttpResponse:
    passwords.refuse_email(change.password, change.new_email, "new_email")
    address = client_address.of(request)
    await throttling.take(throttling.REGISTER, change.new_email, address)  # it may send a mail to a stranger
    known = await queries.confirm_password(request.auth, change.password, address)
    account = await queries.change_email(request.work, request.auth, known, change.new_email)
    return json_response(account) if account else _accepted()


@router.get(
    "/me/export",
    tags=["accounts"],
    operation_id="export_me",
    summary="Download everything that is held about the account",
    response=answers({200: Export}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def export_me(request: "AuthenticatedRequest") -> HttpResponse:
    headers = _NO_STORE | {"Content-Disposition": 'attachment; filename="account.json"'}
    return json_response(await queries.export(request.work, request.auth), headers=headers)
