"""What can go wrong, as exceptions: one for each kind of answer that a program would treat in its own way.

All are a `TodoError`. What the server refused is a `ProblemError` with the problem document (RFC 9457) in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx


class TodoError(Exception):
    """The base of all exceptions of this client."""


class ConnectionFailed(TodoError):
    """The server could not be reached, or the connection broke before it had answered."""


class UnexpectedAnswer(TodoError):
    """The server has answered something that is not this API's: is it the right address?"""


class StreamEnded(TodoError):
    """The stream cannot go on where it was: its cursor is too old. Read `changes.page` from the beginning."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one member (`pointer` is a JSON pointer) or parameter of a request."""

    pointer: str
    code: str
    detail: str


class ProblemError(TodoError):
    """The server has refused the request. `code` is stable and made for programs; `document` is all it said."""

    codes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, status: int, document: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.document = dict(document)
        self.code = str(document.get("code", ""))
        self.detail = str(document.get("detail", ""))
        self.request_id: str | None = document.get("request_id")
        self.retry_after = retry_after
        self.errors = [
            FieldError(str(one.get("pointer", "")), str(one.get("code", "")), str(one.get("detail", "")))
            for one in document.get("errors", ())
        ]
        super().__init__(f"{status} {self.code}: {self.detail}")


class Unauthenticated(ProblemError):
    """No token, or one that is unknown, expired or revoked; or a wrong e-mail or password."""

    codes = ("unauthenticated", "wrong-credentials")


class ScopeMissing(ProblemError):
    """The token is good but may not do this; `document` has `required` and `held`."""

    codes = ("scope-missing",)


class NotFound(ProblemError):
    """There is no such thing, or it is somebody else's: the server does not say which."""

    codes = ("not-found",)


class Conflict(ProblemError):
    """What is there does not allow it: something is taken, in the trash, or has moved on."""


class UndoConflict(Conflict):
    """What was to be undone has changed again since; `document["conflicts"]` names the things and their members."""

    codes = ("undo-conflict",)


class NotUndoable(Conflict):
    """There is nothing to undo, or nothing that could be undone any more."""

    codes = ("not-undoable",)


class SyncExpired(ProblemError):
    """The cursor is older than what the server remembers: begin without one."""

    codes = ("sync-expired", "invalid-cursor")


class Changed(ProblemError):
    """The thing is not the version any more that you had in hand; `current` is what it is now."""

    codes = ("precondition-failed",)

    @property
    def current(self) -> dict[str, Any]:
        """The task or list as it is now, as JSON; empty where the server has not said."""
        return self.document.get("task") or self.document.get("list") or {}


class Invalid(ProblemError):
    """The input breaks a rule; `errors` says which member breaks which."""

    codes = ("invalid",)


class RateLimited(ProblemError):
    """Too many requests, and waiting for `retry_after` seconds was more than the client may wait."""

    codes = ("too-many-requests", "too-many-streams")


class Unavailable(ProblemError):
    """The server, or its database, cannot answer now."""

    codes = ("unavailable", "overloaded", "outcome-unknown")


_CODES = {
    code: kind
    for kind in (
        *(Unauthenticated, ScopeMissing, NotFound, UndoConflict, NotUndoable),
        *(SyncExpired, Changed, Invalid, RateLimited, Unavailable),
    )
    for code in kind.codes
}
# For codes that this client does not know yet, and for what stands before the server and speaks no problem documents.
_STATUSES: dict[int, type[ProblemError]] = {
    401: Unauthenticated,
    404: NotFound,
    409: Conflict,
    410: SyncExpired,
    412: Changed,
    422: Invalid,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem(status: int, document: Mapping[str, Any], retry_after: float | None = None) -> ProblemError:
    """Return the exception for a problem document; also for one inside a batch's results."""
    kind = _CODES.get(str(document.get("code")), _STATUSES.get(status, ProblemError))
    return kind(status, document, retry_after)


def refusal(response: httpx.Response) -> ProblemError:
    """Return the exception for an answer that is no success; its body has been read."""
    return problem(response.status_code, _document(response), retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`; of its two forms our server sends only this one."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = None
    if isinstance(document, dict):
        return document
    if response.is_redirect:
        return {"code": "", "detail": f"The server is at another address: {response.headers.get('Location')}"}
    return {"code": "", "detail": f"The answer is no problem document ({response.reason_phrase or 'no reason given'})."}
