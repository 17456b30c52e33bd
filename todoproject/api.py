"""The API: its routers, its authentication, and the one place where an error becomes a problem document."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import orjson
from django.core.exceptions import RequestAborted
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationErrorContext

from accounts import idempotency
from accounts.api.accounts import router as accounts_router
from accounts.api.calendars import router as calendars_router
from accounts.api.sessions import router as sessions_router
from accounts.authentication import Bearer
from accounts.passwords import PasswordRefused, TooManyLogins
from accounts.problems import TooManyCalendars
from accounts.queries import (
    EmailTaken,
    LinkInvalid,
    OutlivesMaker,
    ScopeNotHeld,
    TokenNotFound,
    TokenRotated,
    TooManyTokens,
    WrongCredentials,
    WrongPassword,
    account_export,
    verify,
)
from accounts.queries.stream_tickets import InvalidTicket
from accounts.throttling import TooManyAttempts
from tasks.api.changes import router as changes_router
from tasks.api.external_ids import router as external_ids_router
from tasks.api.files import router as files_router
from tasks.api.history import router as history_router
from tasks.api.labels import router as labels_router
from tasks.api.lists import router as lists_router
from tasks.api.statistics import router as statistics_router
from tasks.api.streams import router as streams_router
from tasks.api.tasks import router as tasks_router
from tasks.api.webhooks import router as webhooks_router
from tasks.batch_schemas import OPERATIONS
from tasks.formats.items import FileRefused
from tasks.models import MOST_LABELS
from tasks.queries import (
    BatchFailed,
    InvalidCursor,
    NotRecurring,
    OccurrenceAhead,
    OccurrencePassed,
    OccurrenceRequired,
    OperationUnreadable,
)
from tasks.queries import account_export as tasks_exports
from tasks.queries.feed import SyncExpired
from tasks.queries.import_account import ImportRunning
from tasks.queries.lists import ListDeleted
from tasks.queries.resource import Changed, Deleted, Incomplete, NotFound
from tasks.queries.webhooks import MOST_REPLAYED
from tasks.rules import RuleRefused
from todoproject.database.client.pool import Work, pool
from todoproject.database.errors import (
    ConstraintViolated,
    DatabaseNotReady,
    DatabaseUnavailable,
    InFlight,
    InvalidToken,
    NotUnique,
    OutcomeUnknown,
    ReadOnly,
    ScopeMissing,
    one_line,
)
from todoproject.http import dry_runs, preconditions, problems, validation
from todoproject.http.body import StrictParser
from todoproject.http.problems import Problem
from todoproject.http.read_only import ReadOnlyDiffers
from todoproject.http.request import ApiRequest, has_sent_token
from todoproject.monitoring.health import router as health_router
from todoproject.openapi import document as openapi
from todoproject.openapi import parameters
from todoproject.openapi.document import TRIED_BY_ITSELF, UNKEYED
from todoproject.version import VERSION

logger = logging.getLogger("todoproject.api")

View = Callable[..., Awaitable[HttpResponse]]


_bodies = StrictParser()

# What a view would be given that wants to set a cookie; ours return their own answers.
_UNUSED = HttpResponse()


class API(NinjaAPI):
    """Django Ninja, with validation errors as problem documents."""

    def validation_error_from_error_contexts(  # type: ignore[override]  # its caller raises whatever it is given
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> Problem:
        return validation.from_pydantic(error_contexts)

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """Refuse what the operation does not take: Ninja calls this after authentication, before it reads the input."""
        asked = cast(ApiRequest, request)
        validation.refuse_odd_parameters(asked, asked.known_parameters)
        if asked.body and not asked.takes_body:
            validation.refuse_body(_bodies.parse_any(asked))
        dry_runs.begin(asked)
        return _UNUSED


bearer = Bearer()
api = API(
    title="Todo",
    version=VERSION,
    parser=_bodies,
    auth=bearer,
    # Both are served by our own views: Ninja's would start a thread, and its document lacks the errors.
    openapi_url=None,
    docs_url=None,
)


def _verify_before_complaining(run: View) -> View:
    """Answer 401 rather than a validation error where the token is bad: strangers learn nothing about the input."""

    operation = inspect.unwrap(run).__self__
    takes_body = any(model.__ninja_param_source__ == "body" for model in operation.models)
    tries_by_itself = operation.operation_id in TRIED_BY_ITSELF

    @functools.wraps(run)
    async def run_then_verify(request: ApiRequest, **path: Any) -> HttpResponse:
        request.takes_body, request.tries_by_itself = takes_body, tries_by_itself
        response = await run(request, **path)
        dry_runs.tell(request, response)
        if response.status_code in (400, 415, 422, 428) and request.credentials and not request.is_accepted:
            try:
                await verify(request.credentials)
            except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other
                return api.on_exception(request, error)
        return response

    return run_then_verify


def _run_once_for_a_key(run: View) -> View:
    """Keep what Idempotency-Key promises, on every POST and PATCH that needs a token."""
    operation = inspect.unwrap(run).__self__

    @functools.wraps(run)
    async def run_once(request: ApiRequest, **path: Any) -> HttpResponse:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        # Without an account there is nobody whose key it could be, even if a token is sent: the header is ignored.
        is_keyed = key is not None and request.method in ("POST", "PATCH") and operation.auth_callbacks
        if is_keyed and operation.operation_id in UNKEYED:
            return api.on_exception(request, Problem(problems.MALFORMED_REQUEST, "This takes no Idempotency-Key."))
        credentials = await bearer(request) if is_keyed else None
        if key is None or credentials is None:
            return await run(request, **path)
        if dry_runs.is_asked(request):  # which must not use up the key of the write that it is tried for
            return await _run_with_good_key(run, request, key, path)

        async def run_in(work: Work) -> HttpResponse:
            request.work = work
            try:
                return await run(request, **path)
            finally:
                request.work = pool

        prepares = operation.operation_id in _PREPARING
        try:
            return await idempotency.answer_once(credentials, key, _fingerprint(request), run_in, prepares=prepares)
        except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other
            return api.on_exception(request, error)

    return run_once


async def _run_with_good_key(run: View, request: ApiRequest, key: str, path: dict[str, Any]) -> HttpResponse:
    try:
        idempotency.check(key)
    except idempotency.MalformedKey as error:
        return api.on_exception(request, error)
    return await run(request, **path)


# They hash a password before they write, and hold no connection meanwhile.
_PREPARING = frozenset({"change_password", "change_email"})


def _fingerprint(request: ApiRequest) -> bytes:
    """Return everything that makes a request this one: what a repeat must equal."""
    parts = [str(request.method).encode(), request.get_full_path().encode(), request.body]
    if (if_match := request.META.get("HTTP_IF_MATCH")) is not None:
        parts.append(if_match.encode())
    return b"\0".join(parts)


# The later one is inside the earlier one.
api.add_decorator(_run_once_for_a_key, mode="view")
api.add_decorator(_verify_before_complaining, mode="view")
api.add_router("/v1", accounts_router)
api.add_router("/v1", sessions_router)
api.add_router("/v1", files_router)
api.add_router("/v1/calendars", calendars_router)
api.add_router("/v1/tasks/by-external-id", external_ids_router)
api.add_router("/v1/tasks", tasks_router)
api.add_router("/v1/lists", lists_router)
api.add_router("/v1/labels", labels_router)
api.add_router("/v1", streams_router)
api.add_router("/v1/changes", changes_router)
api.add_router("/v1", history_router)
api.add_router("/v1/me/statistics", statistics_router)
api.add_router("/v1/webhooks", webhooks_router)
api.add_router("/health", health_router)
account_export.add("tasks", tasks_exports.tasks)
account_export.add("lists", tasks_exports.lists)
account_export.add("history", tasks_exports.history)
account_export.add("reminders", tasks_exports.reminders)
account_export.add("webhooks", tasks_exports.webhooks)
account_export.add("webhook_deliveries", tasks_exports.webhook_deliveries)


# --- Errors ---------------------------------------------------------------------------------------


def _answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problems.respond(problem, request.path)


def _fixed(type: problems.ProblemType, detail: str, **headers: str) -> Callable[[HttpRequest, Any], HttpResponse]:
    """Return a handler that gives every exception of a class the same answer."""

    def handle(request: HttpRequest, error: Exception) -> HttpResponse:
        return _answer(request, Problem(type, detail, headers={k.replace("_", "-"): v for k, v in headers.items()}))

    return handle


def _no_token(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say the same to everybody, but in the header whether there was a token (RFC 6750, section 3.1)."""
    was_sent = has_sent_token(request.META.get("HTTP_AUTHORIZATION"))
    headers = {"WWW-Authenticate": problems.INVALID_TOKEN} if was_sent else {}
    detail = "The token is missing, unknown, expired or revoked."
    return _answer(request, Problem(problems.UNAUTHENTICATED, detail, headers=headers))


_NOTHING_HERE = _fixed(problems.NOT_FOUND, problems.not_found().detail)

for _error, _handler in {
    AuthenticationError: _no_token,
    InvalidToken: _no_token,
    WrongCredentials: _fixed(problems.WRONG_CREDENTIALS, "The e-mail or the password is wrong."),
    NotFound: _NOTHING_HERE,
    TokenNotFound: _NOTHING_HERE,
    InvalidCursor: _fixed(problems.INVALID_CURSOR, "The cursor does not belong to this list. Start without one."),
    SyncExpired: _fixed(problems.SYNC_EXPIRED, "What was missed is purged. Begin without a cursor."),
    TokenRotated: _fixed(problems.TOKEN_ROTATED, "The token has a successor already."),
    TooManyTokens: _fixed(problems.TOO_MANY_TOKENS, "The account has as many live tokens as it may. Revoke one first."),
    TooManyCalendars: _fixed(problems.TOO_MANY_CALENDARS, problems.TOO_MANY_CALENDARS.description),
    LinkInvalid: _fixed(problems.INVALID_LINK, "The code is unknown, used or too old."),
    WrongPassword: _fixed(problems.WRONG_PASSWORD, "The password is wrong."),
    TooManyLogins: _fixed(problems.OVERLOADED, "Too many logins wait already.", Retry_After="2"),
    EmailTaken: _fixed(problems.EMAIL_TAKEN, "An account with this e-mail exists."),
    OccurrencePassed: _fixed(problems.OCCURRENCE_PASSED, "The series has moved on from this occurrence otherwise."),
    OccurrenceAhead: _fixed(problems.OCCURRENCE_AHEAD, "The series has not come to this occurrence yet."),
    OccurrenceRequired: _fixed(problems.PRECONDITION_REQUIRED, "The task recurs: send its occurrence, or If-Match."),
    NotRecurring: _fixed(problems.CONFLICT, "The task does not recur, so there is nothing to be skipped."),
    ImportRunning: _fixed(problems.IMPORT_RUNNING, "Another import into this account is under way.", Retry_After="5"),
    InvalidTicket: _fixed(problems.INVALID_TICKET, "The ticket is not ours, used or too old."),
    InFlight: _fixed(problems.IN_FLIGHT, "A request with this Idempotency-Key is being worked on."),
    idempotency.AnswerWithheld: _fixed(
        problems.ANSWER_WITHHELD, "The stored answer holds a secret, which only the token that asked is given again."
    ),
    idempotency.KeyReused: _fixed(problems.KEY_REUSED, "This Idempotency-Key was used for another request."),
    idempotency.MalformedKey: _fixed(
        problems.MALFORMED_REQUEST, "An Idempotency-Key has 1 to 255 printable ASCII characters."
    ),
    idempotency.AnswerUnreadable: _fixed(
        problems.CONFLICT, "The write has happened, but its stored answer can no longer be read."
    ),
}.items():
    api.add_exception_handler(_error, _handler)


@api.exception_handler(idempotency.Replayed)
def _replayed(request: HttpRequest, replayed: idempotency.Replayed) -> HttpResponse:
    return replayed.response


@api.exception_handler(RequestAborted)
def _left(request: ApiRequest, error: RequestAborted) -> HttpResponse:
    raise error  # a client that leaves in the middle of a body is no defect of ours


@api.exception_handler(Problem)
def _problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return _answer(request, error)


@api.exception_handler(Changed)
def _changed(request: HttpRequest, error: Changed) -> HttpResponse:
    headers = {"ETag": preconditions.etag(error.row.version)}
    detail = f"The {error.noun} is not what the request expects; `{error.noun}` is what it is now."
    present = {error.noun: orjson.Fragment(error.row.json)}
    return _answer(request, Problem(problems.PRECONDITION_FAILED, detail, headers=headers, **present))


@api.exception_handler(Incomplete)
def _incomplete(request: HttpRequest, error: Incomplete) -> HttpResponse:
    detail = "There is no such task, and without a title none is made."
    return _answer(request, validation.invalid([{"pointer": "#/title", "code": "missing", "detail": detail}]))


@api.exception_handler(Deleted)
def _deleted(request: HttpRequest, error: Deleted) -> HttpResponse:
    is_list = isinstance(error, ListDeleted)
    state, noun = (problems.LIST_DELETED, "list") if is_list else (problems.TASK_DELETED, "task")
    return _answer(request, Problem(state, f"A deleted {noun} has this id. It can be restored.", id=error.id))


@api.exception_handler(ReadOnlyDiffers)
def _read_only_differs(request: HttpRequest, error: ReadOnlyDiffers) -> HttpResponse:
    detail = "Only the server writes this member, and it is not what you have sent. Leave it out."
    errors = [{"pointer": f"#/{name}", "code": "read-only", "detail": detail} for name in error.members]
    return _answer(request, validation.invalid(errors))


@api.exception_handler(RuleRefused)
def _rule_refused(request: HttpRequest, error: RuleRefused) -> HttpResponse:
    return _answer(
        request, validation.invalid([{"pointer": "#/recurrence/rule", "code": "rule", "detail": str(error)}])
    )


@api.exception_handler(FileRefused)
def _file_refused(request: HttpRequest, error: FileRefused) -> HttpResponse:
    line = {} if error.line is None else {"line": error.line}
    return _answer(request, validation.invalid([{"pointer": "#", "code": error.code, "detail": str(error)}], **line))


@api.exception_handler(OperationUnreadable)
def _operation_unreadable(request: HttpRequest, error: OperationUnreadable) -> HttpResponse:
    """Tell what is wrong with the operation as if its `data` were the body."""
    told = validation.of_part(error.failure, OPERATIONS, "#", _MOST_ERRORS_OF_OPERATION)
    errors = [broken | {"pointer": broken["pointer"].replace("#/data", "#", 1)} for broken in told]
    return _answer(request, validation.invalid(errors, error.failure.error_count()))


# A hundred operations may break rules, and each member that is told may cost a search for the nearest name.
_MOST_ERRORS_OF_OPERATION = 3


@api.exception_handler(BatchFailed)
def _batch_failed(request: HttpRequest, error: BatchFailed) -> HttpResponse:
    """Answer as the operation that failed, and tell which one it was."""
    where = f"#/operations/{error.index}"
    if isinstance(error.cause, OperationUnreadable):
        failure = error.cause.failure
        errors = validation.of_part(failure, OPERATIONS, where)
        return _answer(request, validation.invalid(errors, failure.error_count(), operation=error.index))
    response = api.on_exception(request, error.cause)
    document = orjson.loads(response.content)
    document["operation"] = error.index
    for broken in document["errors"]:
        broken["pointer"] = broken["pointer"].replace("#", f"{where}/data", 1)
    response.content = orjson.dumps(document)
    return response


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Django Ninja wraps whatever its parser raises."""
    cause = error.__cause__
    return _answer(request, cause if isinstance(cause, Problem) else Problem(problems.MALFORMED_REQUEST, "Unreadable."))


@api.exception_handler(ScopeMissing)
def _scope_missing(request: HttpRequest, error: ScopeMissing) -> HttpResponse:
    missing = [scope for scope in error.required.split() if scope not in error.held]
    detail = f"This needs the scope {' and '.join(missing)}."
    return _answer(request, Problem(problems.SCOPE_MISSING, detail, required=missing, held=error.held))


@api.exception_handler(ScopeNotHeld)
def _scope_not_held(request: HttpRequest, error: ScopeNotHeld) -> HttpResponse:
    detail = "A token can only make or rotate tokens whose scopes it holds itself."
    return _answer(request, Problem(problems.SCOPE_MISSING, detail, required=error.required, held=error.held))


@api.exception_handler(OutlivesMaker)
def _outlives_maker(request: HttpRequest, error: OutlivesMaker) -> HttpResponse:
    detail = "A token makes none that lives longer than itself. Log in for that."
    return _answer(request, validation.invalid([{"pointer": "#/expires_at", "code": "expiry", "detail": detail}]))


@api.exception_handler(TooManyAttempts)
def _too_many_attempts(request: HttpRequest, error: TooManyAttempts) -> HttpResponse:
    return _answer(request, error.policy.refusal(error.wait))


@api.exception_handler(PasswordRefused)
def _password_refused(request: HttpRequest, error: PasswordRefused) -> HttpResponse:
    errors = [{"pointer": f"#/{error.member}", "code": "password", "detail": reason} for reason in error.reasons]
    return _answer(request, validation.invalid(errors))


# A rule that only the database can check, because it is about the row as it will be: which member to point at. Each has
# the code and the sentence that the schema has for it.
_RULES = {
    "tasks_title_not_blank": ("#/title", "blank", "The title must not be blank."),
    "tasks_title_visible": ("#/title", "blank", "The title must not be blank."),
    "tasks_title_one_line": ("#/title", "one_line", "A title is one line, without control characters."),
    "tasks_description_plain": (
        "#/description",
        "plain",
        "A description has no control characters but tabs and line breaks.",
    ),
    "tasks_one_due": ("#", "one_due", "Give due_on (a day) or due_at (an instant), not both."),
    "tasks_due_on_range": ("#/due_on", "range", "The date is out of range."),
    "tasks_due_at_range": ("#/due_at", "range", "The time is out of range."),
    "tasks_most_of_account": (
        "#",
        "too_many_tasks",
        "The account, its trash included, holds as many as it may.",
    ),
    "tasks_most_labels_of_account": (
        "#/labels",
        "too_many_labels",
        "The account, its trash included, has as many different labels as it may.",
    ),
    "lists_most_of_account": ("#", "too_many_lists", "The account, its trash included, holds as many as it may."),
    "tasks_list_exists": ("#/list_id", "no-such-place", "There is no such list."),
    "tasks_labels_count": ("#/labels", "too_long", f"A task has at most {MOST_LABELS} labels."),
    "tasks_labels_distinct": ("#/labels", "distinct", "A label stands on a task once, whatever its case."),
    "tasks_list_live": ("#/list_id", "no-such-place", "There is no such list any more."),
    "tasks_parent_exists": ("#/parent_id", "no-such-place", "There is no such task."),
    "tasks_parent_live": ("#/parent_id", "no-such-place", "There is no such task any more."),
    "tasks_parent_circle": ("#/parent_id", "circle", "A task cannot belong under itself or its own subtasks."),
    "tasks_parent_depth": ("#/parent_id", "too-deep", "Tasks are at most five levels deep."),
    "tasks_parent_elsewhere": ("#/list_id", "parent_list", "A task is in the same list as the one it belongs under."),
    "tasks_recurrence_due": ("#/recurrence", "no_due", "What recurs needs a due: its first occurrence."),
    "tasks_recurrence_rule": ("#/recurrence/rule", "missing", "This member is required."),
    "tasks_recurrence_timezone": ("#/recurrence/timezone", "timezone", "The database knows no such time zone."),
    "tasks_recurring": (
        "#/is_completed",
        "recurring",
        "The task recurs: complete its occurrence, or end the series with a recurrence of null.",
    ),
    "lists_name_one_line": ("#/name", "one_line", "A name is one line, without control characters."),
    "lists_name_visible": ("#/name", "blank", "The name must not be blank."),
    "webhooks_replay_size": (
        "#/to",
        "too_many_events",
        f"The range holds more than {MOST_REPLAYED:,} events that the webhook wants: ask for it in parts.",
    ),
    "access_tokens_list_live": ("#/list_id", "no-such-place", "There is no such list."),
    "users_email_shape": ("#/email", "email", "This is not an e-mail address."),
}


# A rule about other rows, which may change: what stands in the way, and how to go on.
_STATES = {
    "request_changes": (problems.TOO_MANY_CHANGES, "A request changes at most 20,000 things; nothing was done."),
    **dict.fromkeys(
        ("tasks_neighbour_before", "tasks_neighbour_after", "lists_neighbour_before", "lists_neighbour_after"),
        (problems.PLACE_GONE, "What it is to stand beside is not there, or no longer. Read the place again."),
    ),
    "tasks_external_id_unique": (problems.EXTERNAL_ID_TAKEN, "Another task has this external id."),
    "idempotency_keys_most_of_account": (problems.TOO_MANY_ANSWERS, problems.TOO_MANY_ANSWERS.description),
    "change_exists": (problems.NOT_FOUND, problems.not_found().detail),
    "change_kept": (problems.NOT_UNDOABLE, "The log holds this no longer, or what it is about is purged."),
    "webhooks_most_of_account": (problems.TOO_MANY_WEBHOOKS, problems.TOO_MANY_WEBHOOKS.description),
    "webhooks_enabled": (problems.CONFLICT, "The webhook is disabled: enable it first."),
    "webhooks_queue_of_account": (
        problems.CONFLICT,
        "As many deliveries wait as may: try again when some are through.",
    ),
    "lists_empty": (problems.LIST_NOT_EMPTY, "The list holds tasks: say with tasks= what becomes of them."),
}


_MOST_CONFLICTS = 20


@api.exception_handler(ConstraintViolated)
def _constraint_violated(request: HttpRequest, error: ConstraintViolated) -> HttpResponse:
    if error.constraint == "search_for_something":
        detail = "There is nothing in this to search for: give a word, a sign or an emoji that is not excluded by a -."
        return _answer(request, validation.invalid([{"parameter": "q", "code": "nothing", "detail": detail}]))
    if error.constraint == "change_undone":
        conflicts = orjson.loads(error.subject or "[]")[:_MOST_CONFLICTS]
        detail = "What this action changed has been changed again since; nothing was undone."
        return _answer(request, Problem(problems.UNDO_CONFLICT, detail, conflicts=conflicts))
    if error.constraint in _STATES:
        state, sentence = _STATES[error.constraint]
        named: dict[str, Any] = {"id": error.subject} if error.subject else {}
        return _answer(request, Problem(state, sentence, **named))
    if isinstance(error, NotUnique):
        return _answer(request, Problem(problems.CONFLICT, "Something with this identity exists already."))
    unknown = ("#", error.constraint, "The input breaks a rule of the database.")
    pointer, code, detail = _RULES.get(error.constraint, unknown)
    return _answer(request, validation.invalid([{"pointer": pointer, "code": code, "detail": detail}]))


@api.exception_handler(DatabaseUnavailable)
@api.exception_handler(DatabaseNotReady)
def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning("database unavailable", extra={"reason": one_line(error)})
    return _answer(request, problems.unavailable())


@api.exception_handler(ReadOnly)
def _read_only(request: HttpRequest, error: ReadOnly) -> HttpResponse:
    logger.warning("database read-only", extra={"reason": one_line(error)})
    return _answer(request, problems.read_only())


@api.exception_handler(OutcomeUnknown)
def _outcome_unknown(request: HttpRequest, error: OutcomeUnknown) -> HttpResponse:
    logger.warning("outcome unknown", extra={"reason": str(error)})
    return _answer(request, problems.outcome_unknown())


@api.exception_handler(Exception)
def _defect(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("unhandled error", exc_info=error)
    return _answer(request, problems.internal_error())


# --- The document ---------------------------------------------------------------------------------


@functools.cache
def document() -> bytes:
    """Return the OpenAPI document as JSON."""
    return openapi.complete(api.get_openapi_schema(path_prefix=""))


def query_parameters() -> dict[str, dict[str, dict[str, bool]]]:
    """Return which query parameters each operation knows, by path template and method."""
    return parameters.of_operations(api) | {
        path: {"GET": dict[str, bool]()} for path in ("/v1/openapi.json", "/metrics")
    }
