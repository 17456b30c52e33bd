"""Tokens over HTTP: seen, made, rotated and revoked."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from ninja import Router

from accounts import queries
from accounts.schemas import NewToken, Token, TokenCreate, TokenList
from todoproject.http.problems import (
    CONFLICT,
    INVALID,
    NOT_FOUND,
    SCOPE_MISSING,
    TOKEN_ROTATED,
    TOO_MANY_TOKENS,
    UNAUTHENTICATED,
    Problem,
)
from todoproject.http.responses import json_response, no_content
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router()


def _new_token(secret: str, document: bytes) -> HttpResponse:
    return json_response(document[:-1] + b',"token":"%b"}' % secret.encode(), 201, {"Cache-Control": "no-store"})


@router.get(
    "/tokens",
    tags=["tokens"],
    operation_id="list_tokens",
    summary="List live tokens, newest first",
    response=answers({200: TokenList}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def list_tokens(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.list_tokens(request.work, request.auth))


@router.post(
    "/tokens",
    tags=["tokens"],
    operation_id="create_token",
    summary="Make a personal access token; the secret is shown once",
    response=answers(
        {201: NewToken}, UNAUTHENTICATED, SCOPE_MISSING, CONFLICT, TOKEN_ROTATED, TOO_MANY_TOKENS, INVALID
    ),
)
async def create_token(request: "AuthenticatedRequest", token: TokenCreate) -> HttpResponse:
    if token.kind == "backend" and "todo-backend" not in settings.DOORS:
        raise Problem(CONFLICT, "This server lets no Todo-Backend client in: its setting DOORS leaves them out.")
    return _new_token(*await queries.create_token(request.work, request.auth, token))


@router.get(
    "/tokens/current",
    tags=["tokens"],
    operation_id="get_current_token",
    summary="Show the token in use",
    response=answers({200: Token}, UNAUTHENTICATED),
)
async def get_current_token(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.current_token(request.work, request.auth))


@router.delete(
    "/tokens/{uuid:token_id}",
    tags=["tokens"],
    operation_id="revoke_token",
    summary="Revoke a token, at once and everywhere",
    response=answers({204: None}, UNAUTHENTICATED, SCOPE_MISSING, NOT_FOUND),
)
async def revoke_token(request: "AuthenticatedRequest", token_id: UUID) -> HttpResponse:
    await queries.revoke_token(request.work, request.auth, token_id)
    return no_content()


@router.post(
    "/tokens/{uuid:token_id}/rotate",
    tags=["tokens"],
    operation_id="rotate_token",
    summary="Replace a token; the old one works on for a while",
    response=answers({201: NewToken}, UNAUTHENTICATED, SCOPE_MISSING, NOT_FOUND, TOKEN_ROTATED, TOO_MANY_TOKENS),
)
async def rotate_token(request: "AuthenticatedRequest", token_id: UUID) -> HttpResponse:
    return _new_token(*await queries.rotate_token(request.work, request.auth, token_id))
