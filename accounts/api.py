"""Accounts and tokens over HTTP: validated input in, one call, bytes out."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import attempts, passwords, queries
from accounts.schemas import Login, MePatch, NewToken, Register, Session, Token, TokenCreate, TokenList, User
from todoproject import addresses
from todoproject.openapi import answers
from todoproject.problems import (
    EMAIL_TAKEN,
    INVALID,
    NOT_FOUND,
    SCOPE_MISSING,
    UNAUTHENTICATED,
    WRONG_CREDENTIALS,
)
from todoproject.responses import json_response, no_content

if TYPE_CHECKING:
    from accounts.auth import AuthenticatedRequest

router = Router()


def _session(row: queries.SessionRow) -> HttpResponse:
    body = b'{"token":"%b","expires_at":"%b","user":%b}' % (
        row.token.encode(),
        row.expires_at.encode(),
        row.user,
    )
    return json_response(body, 201, {"Cache-Control": "no-store"})


@router.post(
    "/auth/register",
    auth=None,
    tags=["accounts"],
    operation_id="register",
    summary="Create an account and log in",
    response=answers({201: Session}, EMAIL_TAKEN, INVALID),
)
async def register(request: HttpRequest, account: Register) -> HttpResponse:
    await attempts.take(attempts.REGISTER, account.email, addresses.of(request))
    passwords.validate(account.password)
    return _session(await queries.register(account.email, account.password))


@router.post(
    "/auth/login",
    auth=None,
    tags=["accounts"],
    operation_id="login",
    summary="Log in",
    response=answers({201: Session}, WRONG_CREDENTIALS, INVALID),
)
async def login(request: HttpRequest, account: Login) -> HttpResponse:
    await attempts.take(attempts.LOGIN, account.email, addresses.of(request))
    return _session(await queries.login(account.email, account.password))


@router.post(
    "/auth/logout",
    tags=["accounts"],
    operation_id="logout",
    summary="End the token in use",
    response=answers({204: None}, UNAUTHENTICATED),
)
async def logout(request: "AuthenticatedRequest") -> HttpResponse:
    await queries.logout(request.auth)
    return no_content()


@router.get(
    "/me",
    tags=["accounts"],
    operation_id="get_me",
    summary="Show the account",
    response=answers({200: User}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def get_me(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.get_me(request.auth))


@router.patch(
    "/me",
    tags=["accounts"],
    operation_id="patch_me",
    summary="Change the account",
    response=answers({200: User}, UNAUTHENTICATED, SCOPE_MISSING, INVALID),
)
async def patch_me(request: "AuthenticatedRequest", me: MePatch) -> HttpResponse:
    return json_response(await queries.patch_me(request.auth, me))


@router.get(
    "/tokens",
    tags=["tokens"],
    operation_id="list_tokens",
    summary="List live tokens, newest first",
    response=answers({200: TokenList}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def list_tokens(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.list_tokens(request.auth))


@router.post(
    "/tokens",
    tags=["tokens"],
    operation_id="create_token",
    summary="Make a personal access token; the secret is shown once",
    response=answers({201: NewToken}, UNAUTHENTICATED, SCOPE_MISSING, INVALID),
)
async def create_token(request: "AuthenticatedRequest", token: TokenCreate) -> HttpResponse:
    secret, document = await queries.create_token(request.auth, token)
    body = document[:-1] + b',"token":"%b"}' % secret.encode()
    return json_response(body, 201, {"Cache-Control": "no-store"})


@router.get(
    "/tokens/current",
    tags=["tokens"],
    operation_id="get_current_token",
    summary="Show the token in use",
    response=answers({200: Token}, UNAUTHENTICATED),
)
async def get_current_token(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.current_token(request.auth))


@router.delete(
    "/tokens/{uuid:token_id}",
    tags=["tokens"],
    operation_id="revoke_token",
    summary="Revoke a token, at once and everywhere",
    response=answers({204: None}, UNAUTHENTICATED, SCOPE_MISSING, NOT_FOUND),
)
async def revoke_token(request: "AuthenticatedRequest", token_id: UUID) -> HttpResponse:
    await queries.revoke_token(request.auth, token_id)
    return no_content()
