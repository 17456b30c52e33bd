"""What can be done with accounts and tokens.

What a token proves goes through the fence as role `todo_account`, in one round trip. What comes before anybody is known
(register, log in, reset) runs as the owner of the tables, in statements that name exactly one row.
"""

from accounts.problems import (
    EmailTaken,
    LinkInvalid,
    OutlivesMaker,
    ScopeNotHeld,
    TokenNotFound,
    TokenRotated,
    TooManyTokens,
    WrongCredentials,
    WrongPassword,
)
from accounts.queries import account_export
from accounts.queries.account import change_password, confirm_password, erase, export, get_me, patch_me
from accounts.queries.email_changes import change_email
from accounts.queries.email_links import confirm_reset, request_reset, verify_email
from accounts.queries.sessions import end_session, list_sessions, logout_everywhere
from accounts.queries.sign_in import SessionRow, login, logout, register, verify
from accounts.queries.tokens import create_token, current_token, list_tokens, revoke_token, rotate_token

__all__ = [
    "EmailTaken",
    "LinkInvalid",
    "OutlivesMaker",
    "ScopeNotHeld",
    "SessionRow",
    "TokenNotFound",
    "TokenRotated",
    "TooManyTokens",
    "WrongCredentials",
    "WrongPassword",
    "account_export",
    "change_email",
    "change_password",
    "confirm_password",
    "confirm_reset",
    "create_token",
    "current_token",
    "end_session",
    "erase",
    "export",
    "get_me",
    "list_sessions",
    "list_tokens",
    "login",
    "logout",
    "logout_everywhere",
    "patch_me",
    "register",
    "request_reset",
    "revoke_token",
    "rotate_token",
    "verify",
    "verify_email",
]
