"""What the fuzzer must not take for a finding; it loads this file itself, see tests/fuzz/test_fuzz.py."""

import re
from urllib.parse import unquote

from schemathesis import Case, HookContext, Response, hook
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import AuthScenario, EnsureResourceAvailability, UseAfterFree

# 32 bytes in base64: nobody hits upon one by trying strings.
_TICKET = re.compile(r"[\w-]{43}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Of dry runs: the cases, and the ids in their answers. What they made is not there, and what they deleted is.
_tried: set[str] = set()
_provisional: set[str] = set()


@hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Remember what was only tried."""
    if "dry-run" in response.headers:
        _tried.add(case.id)
        _provisional.update(_ID.findall(response.text))


@hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Drop 405 where a made-up value has turned a path with a parameter into another path of the document.

    `/v1/tasks/{task_id}` with `batch` for an id is `/v1/tasks/batch`, and OpenAPI matches paths without parameters
    first (3.1, 4.8.8.2): it is that path's answer, which takes no GET, and no answer of the operation under test.

    And drop `made-up credentials are let in` where they are a ticket that the fuzzer was given itself; and that what
    was made is not there, or what was deleted is, where it was a dry run that did so.
    """
    if has_only_been_tried(failure, case):
        return False
    if getattr(failure, "scenario", None) == AuthScenario.GENERATED_AUTH and has_found_a_ticket(case):
        return False
    return response.status_code != 405 or not is_another_path(case)


def has_only_been_tried(failure: Failure, case: Case) -> bool:
    """Tell whether what is missing or still there was made or deleted in a dry run."""
    if isinstance(failure, UseAfterFree):
        return failure.deleted_case_id in _tried
    ids = {str(value) for value in (case.path_parameters or {}).values()}
    return isinstance(failure, EnsureResourceAvailability) and bool(ids & _provisional)


def has_found_a_ticket(case: Case) -> bool:
    """Tell whether the credential is no made-up one: of answers to earlier tries, the fuzzer keeps what fits by name.

    A ticket of `POST /v1/auth/stream-ticket` opens a stream, whatever else the request says of who it is from.
    """
    return _TICKET.fullmatch(str((case.query or {}).get("ticket"))) is not None


def is_another_path(case: Case) -> bool:
    """Tell whether another path of the document fits, as it does for `/v1/tasks/{task_id}/move` of `by-external-id`."""
    path, own = unquote(case.formatted_path), case.operation.path
    return path != own and any(fits(path, other) for other in case.operation.schema.raw_schema["paths"] if other != own)


def fits(path: str, template: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path) is not None
