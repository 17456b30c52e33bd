"""Which exception of the tasks' gets which answer."""

import orjson
from django.http import HttpRequest, HttpResponse

from tasks.batch_schemas import OPERATIONS
from tasks.formats.items import FileRefused
from tasks.queries import (
    BatchFailed,
    InvalidCursor,
    NotRecurring,
    OccurrenceAhead,
    OccurrencePassed,
    OccurrenceRequired,
    OperationUnreadable,
)
from tasks.queries.feed import SyncExpired
from tasks.queries.import_account import ImportRunning
from tasks.queries.lists import ListDeleted
from tasks.queries.resource import Changed, Deleted, Incomplete, NotFound
from tasks.recurrence.rules import RuleRefused
from todoproject.http import preconditions, problems, validation
from todoproject.http.errors import Answers, answer, fixed
from todoproject.http.problems import Problem
from todoproject.http.read_only import ReadOnlyDiffers
from todoproject.http.request import ApiRequest

# A hundred operations may break rules, and each member that is told may cost a search for the nearest name.
_MOST_ERRORS_OF_OPERATION = 3


def _changed(request: HttpRequest, error: Changed) -> HttpResponse:
    headers = {"ETag": preconditions.etag(error.row.version)}
    detail = f"The {error.noun} is not what the request expects; `{error.noun}` is what it is now."
    present = {error.noun: orjson.Fragment(error.row.json)}
    return answer(request, Problem(problems.PRECONDITION_FAILED, detail, headers=headers, **present))


def _incomplete(request: HttpRequest, error: Incomplete) -> HttpResponse:
    detail = "There is no such task, and without a title none is made."
    return answer(request, validation.invalid([{"pointer": "#/title", "code": "missing", "detail": detail}]))


def _deleted(request: HttpRequest, error: Deleted) -> HttpResponse:
    is_list = isinstance(error, ListDeleted)
    state, noun = (problems.LIST_DELETED, "list") if is_list else (problems.TASK_DELETED, "task")
    return answer(request, Problem(state, f"A deleted {noun} has this id. It can be restored.", id=error.id))


def _read_only_differs(request: HttpRequest, error: ReadOnlyDiffers) -> HttpResponse:
    detail = "Only the server writes this member, and it is not what you have sent. Leave it out."
    errors = [{"pointer": f"#/{name}", "code": "read-only", "detail": detail} for name in error.members]
    return answer(request, validation.invalid(errors))


def _rule_refused(request: HttpRequest, error: RuleRefused) -> HttpResponse:
    errors = [{"pointer": "#/recurrence/rule", "code": "rule", "detail": str(error)}]
    return answer(request, validation.invalid(errors))


def _file_refused(request: HttpRequest, error: FileRefused) -> HttpResponse:
    line = {} if error.line is None else {"line": error.line}
    return answer(request, validation.invalid([{"pointer": "#", "code": error.code, "detail": str(error)}], **line))


def _operation_unreadable(request: HttpRequest, error: OperationUnreadable) -> HttpResponse:
    """Tell what is wrong with the operation as if its `data` were the body."""
    told = validation.of_part(error.failure, OPERATIONS, "#", _MOST_ERRORS_OF_OPERATION)
    errors = [broken | {"pointer": broken["pointer"].replace("#/data", "#", 1)} for broken in told]
    return answer(request, validation.invalid(errors, error.failure.error_count()))


def _batch_failed(request: ApiRequest, error: BatchFailed) -> HttpResponse:
    """Answer as the operation that failed, and tell which one it was."""
    where = f"#/operations/{error.index}"
    if isinstance(error.cause, OperationUnreadable):
        failure = error.cause.failure
        errors = validation.of_part(failure, OPERATIONS, where)
        return answer(request, validation.invalid(errors, failure.error_count(), operation=error.index))
    response = request.respond_to(request, error.cause)
    document = orjson.loads(response.content)
    document["operation"] = error.index
    for broken in document["errors"]:
        broken["pointer"] = broken["pointer"].replace("#", f"{where}/data", 1)
    response.content = orjson.dumps(document)
    return response


ANSWERS: Answers = {
    NotFound: fixed(problems.NOT_FOUND, problems.not_found().detail),
    InvalidCursor: fixed(problems.INVALID_CURSOR, "The cursor does not belong to this list. Start without one."),
    SyncExpired: fixed(problems.SYNC_EXPIRED, "What was missed is purged. Begin without a cursor."),
    OccurrencePassed: fixed(problems.OCCURRENCE_PASSED, "The series has moved on from this occurrence otherwise."),
    OccurrenceAhead: fixed(problems.OCCURRENCE_AHEAD, "The series has not come to this occurrence yet."),
    OccurrenceRequired: fixed(problems.PRECONDITION_REQUIRED, "The task recurs: send its occurrence, or If-Match."),
    NotRecurring: fixed(problems.CONFLICT, "The task does not recur, so there is nothing to be skipped."),
    ImportRunning: fixed(problems.IMPORT_RUNNING, "Another import into this account is under way.", Retry_After="5"),
    Changed: _changed,
    Incomplete: _incomplete,
    Deleted: _deleted,
    ReadOnlyDiffers: _read_only_differs,
    RuleRefused: _rule_refused,
    FileRefused: _file_refused,
    OperationUnreadable: _operation_unreadable,
    BatchFailed: _batch_failed,
}
