"""Problem documents (RFC 9457): the catalogue of error types, and how one becomes an answer.

Every 4xx and 5xx of the API is one of these. `type` is a path on this server that describes the problem. Neither
the input nor SQL nor a traceback is ever part of a document.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from django.http import HttpResponse

from todoproject.observability import logs, metrics

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/docs/errors/"
# How a 401 answers a token that was sent (RFC 6750, section 3.1); to who has sent none it says only "Bearer".
INVALID_TOKEN = 'Bearer error="invalid_token", error_description="The token is unknown, expired or revoked."'  # noqa: S105 -- none
# Tokens of ours (accounts/tokens.py), mistyped ones too. Some addresses hold one, and an error is shown and kept where
# the address would not be.
_SECRET = re.compile(r"todo_[0-9A-Za-z]{16,}")


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of error: stable `code`, HTTP status, short title, and what a client can do about it."""

    code: str
    status: int
    title: str
    description: str

    @property
    def uri(self) -> str:
        return TYPE_PREFIX + self.code


CATALOGUE: dict[str, ProblemType] = {}


def _define(code: str, status: int, title: str, description: str) -> ProblemType:
    CATALOGUE[code] = ProblemType(code, status, title, description)
    return CATALOGUE[code]


MALFORMED_REQUEST = _define(
    "malformed-request",
    400,
    "Malformed request",
    "The request could not be read: not JSON, not UTF-8, bad escapes in the URL, or not HTTP/1.1 to the letter.",
)
INVALID_CURSOR = _define(
    "invalid-cursor",
    400,
    "Invalid cursor",
    "The cursor was not made by this list with these filters. Start again without one.",
)
INVALID_LINK = _define(
    "invalid-link",
    400,
    "Invalid code",
    "The code is not from a mail of ours, has been used, is for something else or too old. Ask for another mail.",
)
UNAUTHENTICATED = _define(
    "unauthenticated",
    401,
    "Authentication required",
    "Send `Authorization: Bearer <token>` with a token that is neither expired nor revoked.",
)
WRONG_CREDENTIALS = _define(
    "wrong-credentials",
    401,
    "Wrong e-mail or password",
    "No active account has this e-mail and password. Was the e-mail verified, where this server asks for that?",
)
WRONG_PASSWORD = _define(
    "wrong-password", 403, "Wrong password", "The password that was to confirm the request is not the account's."
)
SCOPE_MISSING = _define(
    "scope-missing",
    403,
    "Scope missing",
    "The token is good but lacks a scope; `required` and `held` name them.",
)
FORBIDDEN = _define(
    "forbidden",
    403,
    "Forbidden",
    "A page of the admin that this account may not use, or a form without its CSRF token.",
)
NOT_FOUND = _define(
    "not-found", 404, "Not found", "There is nothing here, or it is not yours to see: the answer is the same."
)
NO_SUCH_PATH = _define(
    "no-such-path",
    404,
    "No such path",
    "The API has no such path, whoever asks. `nearest` is the one that is most like it, where there is one.",
)
METHOD_NOT_ALLOWED = _define(
    "method-not-allowed",
    405,
    "Method not allowed",
    "The path exists, but not with this method; `Allow` names those that it has.",
)
IMPORT_RUNNING = _define(
    "import-running",
    409,
    "An import is running",
    "Another import into this account is under way. Send the file again when it is over; one that was interrupted"
    " keeps others out for three minutes at most.",
)
EMAIL_TAKEN = _define(
    "email-taken", 409, "E-mail already registered", "An account with this e-mail exists. Log in instead."
)
TOKEN_ROTATED = _define(
    "token-rotated",
    409,
    "Token rotated already",
    "The token has a successor. If that was lost, revoke it and make a new token; the old one works until it expires.",
)
TOO_MANY_TOKENS = _define(
    "too-many-tokens", 409, "Too many tokens", "The account has as many live tokens as it may. Revoke one first."
)
TOO_MANY_WEBHOOKS = _define(
    "too-many-webhooks", 409, "Too many webhooks", "The account has as many webhooks as it may. Delete one first."
)
TOO_MANY_CALENDARS = _define(
    "too-many-calendars",
    409,
    "Too many calendars",
    "The account has as many calendars as it may, or has made as many today. Revoke one, or try again tomorrow.",
)
ANSWER_WITHHELD = _define(
    "answer-withheld",
    409,
    "Stored answer withheld",
    "The write has happened. Its stored answer holds a secret, which only the token that asked is given again.",
)
TOO_MANY_ANSWERS = _define(
    "too-many-answers",
    409,
    "Too many stored answers",
    "Nothing was done: of today's requests with an Idempotency-Key, as many answers are stored as an account may have."
    " Send the request without a key, or later.",
)
IN_FLIGHT = _define(
    "in-flight",
    409,
    "Same request in flight",
    "Another request with this Idempotency-Key is being worked on. Try again.",
)
KEY_REUSED = _define(
    "idempotency-key-reused",
    422,
    "Idempotency-Key reused",
    "This key was used for another request. Take a new key for each new write.",
)
OCCURRENCE_PASSED = _define(
    "occurrence-passed",
    409,
    "Occurrence passed",
    "The series has moved on from this occurrence otherwise: when completing, none is kept as completed; when skipping,"
    " it is. Read the task again.",
)
OCCURRENCE_AHEAD = _define(
    "occurrence-ahead",
    409,
    "Occurrence ahead",
    "The series has not come to this occurrence yet. Complete or skip the present one first; the task names it.",
)
CONFLICT = _define("conflict", 409, "Conflict", "The write would break a rule about other existing data.")
TASK_DELETED = _define(
    "task-deleted",
    409,
    "Task deleted",
    "The id belongs to a deleted task. Restore that one, or create another under a new id.",
)
LIST_DELETED = _define(
    "list-deleted",
    409,
    "List deleted",
    "The list is in the trash; `id` says which. Restore that one, or choose another.",
)
EXTERNAL_ID_TAKEN = _define(
    "external-id-taken",
    409,
    "External id taken",
    "Another task of yours has this external id; `id` says which. It may be in the trash.",
)
TOO_MANY_CHANGES = _define(
    "too-many-changes",
    422,
    "Too many changes",
    "A request changes at most 20,000 things, what goes along with them included; nothing is done.",
)
LIST_NOT_EMPTY = _define(
    "list-not-empty",
    409,
    "List not empty",
    "The list holds tasks. `tasks=move` puts them into the inbox, `tasks=delete` deletes them with it.",
)
PLACE_GONE = _define(
    "place-gone",
    409,
    "Place gone",
    "What it is to stand before or after is not there, or no longer. Read the place again.",
)
UNDO_CONFLICT = _define(
    "undo-conflict",
    409,
    "Changed since",
    "What the action changed has been changed again; `conflicts` lists up to 20 things with the members concerned. An"
    " undo of the later changes is such a change, too: write what you want instead.",
)
NOT_UNDOABLE = _define(
    "not-undoable",
    409,
    "Not undoable",
    "What the action changed is purged, or the log holds the action no longer.",
)
SYNC_EXPIRED = _define(
    "sync-expired",
    410,
    "Sync expired",
    "What you have missed is purged. Begin without a cursor: keep only what was never acknowledged, drop what the new"
    " run does not name, then send your pending edits; one that is a 404 is dropped.",
)
PRECONDITION_FAILED = _define(
    "precondition-failed",
    412,
    "Precondition failed",
    "The task, list or webhook is not what `If-Match` or `If-None-Match` says. `ETag` and `task`, `list` or `webhook`"
    " are what it is now.",
)
TOO_LARGE = _define("too-large", 413, "Body too large", "A body may have up to 1 MiB, a file to import up to 16 MiB.")
HEAD_TOO_LARGE = _define(
    "head-too-large",
    431,
    "Request head too large",
    "Request line and headers may have up to 32 KiB together, in up to 100 headers.",
)
REQUEST_TIMEOUT = _define(
    "request-timeout",
    408,
    "Request too slow",
    "A request's head has 15 seconds to arrive; its body 120 in all, and no pause of it may be longer than 30.",
)
WRONG_HOST = _define(
    "wrong-host", 400, "Not this host", "The name in `Host` is none of this server's: its operator lists them."
)
HTTPS_REQUIRED = _define(
    "https-required", 403, "HTTPS required", "A token that travels without encryption is anybody's. Use https://."
)
UNSUPPORTED_MEDIA_TYPE = _define(
    "unsupported-media-type",
    415,
    "Unsupported media type",
    "Send the body as application/json (PATCH: or application/merge-patch+json).",
)
INVALID = _define(
    "invalid",
    422,
    "Invalid input",
    "`errors` names each member that breaks a rule, with a JSON pointer to it.",
)
TOO_MANY_REQUESTS = _define(
    "too-many-requests",
    429,
    "Too many requests",
    "A limit is used up. Try again after `Retry-After` seconds; `RateLimit` and `RateLimit-Policy` tell the limit.",
)
TOO_MANY_STREAMS = _define(
    "too-many-streams",
    429,
    "Too many streams",
    "The account has ten live streams open at this server, as many as it may. Close one, or poll `GET /v1/changes`.",
)
INVALID_TICKET = _define(
    "invalid-ticket",
    401,
    "Invalid ticket",
    "The ticket is not ours, has opened a stream already, or is more than a minute old. Ask for another one.",
)
PRECONDITION_REQUIRED = _define(
    "precondition-required",
    428,
    "Precondition required",
    "A `PUT` says what it means: `If-None-Match: *` creates, `If-Match` with the ETag replaces. A series is moved on by"
    " its `occurrence`, or under `If-Match`: a repeat must not complete the next one.",
)
INTERNAL_ERROR = _define(
    "internal-error",
    500,
    "Internal error",
    "A defect of ours. The request id lets the operators find it in the logs.",
)
OVERLOADED = _define(
    "overloaded",
    503,
    "Too many logins at once",
    "Passwords are checked in turn, for up to 25 seconds; this one's turn did not come. Try again after `Retry-After`.",
)
UNAVAILABLE = _define(
    "unavailable",
    503,
    "Service unavailable",
    "The database is away or all its connections are in use. Try again after `Retry-After` seconds.",
)
OUTCOME_UNKNOWN = _define(
    "outcome-unknown",
    503,
    "Outcome unknown",
    "The database went away while the write was under way: it may have happened or not. Look before you send it again;"
    " with an `Idempotency-Key` sending it again is safe.",
)


class Problem(Exception):
    """Raised to answer with a problem document; `extra` members join the standard ones (RFC 9457, section 3.2)."""

    def __init__(
        self,
        type: ProblemType,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.type = type
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = extra


def respond(problem: Problem, instance: str) -> HttpResponse:
    """Make the answer for a problem that happened at path `instance`, which is told without a secret that it holds."""
    metrics.count("problem", problem.type.code)
    current = logs.context.get()
    document = {
        "type": problem.type.uri,
        "title": problem.type.title,
        "status": problem.type.status,
        "detail": problem.detail,
        # A URI reference (RFC 9457, section 3.1.5).
        "instance": quote(_SECRET.sub("***", instance), safe="/:@!$&'()*+,;="),
        "code": problem.type.code,
        "request_id": current.request_id if current else None,
        "errors": list(problem.errors),
        **problem.extra,
    }
    response = HttpResponse(
        orjson.dumps(document), content_type=MEDIA_TYPE, status=problem.type.status, headers=problem.headers
    )
    if problem.type.status == 401:
        response.headers.setdefault("WWW-Authenticate", "Bearer")
    return response


def unavailable() -> Problem:
    """Return the problem for a database that is away; a sleeping one needs about a second."""
    return Problem(UNAVAILABLE, "The database cannot be reached just now.", headers={"Retry-After": "1"})


def read_only() -> Problem:
    """Return the problem for a database that takes no writes: maintenance, a fail-over, storage that is full."""
    return Problem(UNAVAILABLE, "The database takes no writes just now; reads go on.", headers={"Retry-After": "5"})


def outcome_unknown() -> Problem:
    """Return the problem for a write of which nobody can say whether it has happened."""
    return Problem(OUTCOME_UNKNOWN, OUTCOME_UNKNOWN.description, headers={"Retry-After": "1"})


def internal_error() -> Problem:
    """Return the problem for a defect of ours."""
    return Problem(INTERNAL_ERROR, "Something went wrong on our side.")


def not_found() -> Problem:
    """Return the problem for what is not there, or not for the one who asks."""
    return Problem(NOT_FOUND, "There is nothing here, or it is not yours to see.")


def no_such_path(nearest: str | None) -> Problem:
    """Return the problem for a path that the API does not have."""
    if nearest is None:
        return Problem(NO_SUCH_PATH, "There is no such path.")
    return Problem(NO_SUCH_PATH, f"There is no such path; did you mean {nearest}?", nearest=nearest)
