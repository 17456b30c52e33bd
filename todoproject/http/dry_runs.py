"""Dry runs of a write: `?dry_run=true`, or `Prefer: dry-run` (RFC 7240), answers what would happen, and nothing does.

What has no dry run refuses both. A server may ignore a preference that it does not know; here it would then write.
"""

from collections.abc import Mapping

from django.http import HttpResponse
from pydantic import Field, ValidationError

from todoproject.database.client.trial import trial
from todoproject.http import validation
from todoproject.http.field_types import Strict
from todoproject.http.problems import Problem
from todoproject.http.request import ApiRequest
from todoproject.observability import logs

PARAMETER = "dry_run"
PREFERENCE = "dry-run"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class _DryRunQuery(Strict):
    dry_run: bool = Field(False, strict=False)


def begin(request: ApiRequest) -> None:
    """Let what the request writes be undone, if it asks for a dry run. Raises Problem where it has none."""
    if request.tries_by_itself and not _is_preferred(request.META):
        return  # it reads the parameter itself
    if request.method in _SAFE or not _wants(request):
        return
    if request.tries_by_itself or PARAMETER not in request.known_parameters:
        by_parameter = f"Ask for a dry run by {PARAMETER}=true." if request.tries_by_itself else "This has no dry run."
        raise _has_none(by_parameter)
    request.work, request.is_dry_run, request.only_reads = trial, True, True
    logs.note(dry_run=True)


def refuse(request: ApiRequest) -> None:
    """Refuse a preference for a dry run where nothing has one by it. Raises Problem."""
    if request.method not in _SAFE and _is_preferred(request.META):
        raise _has_none("This has no dry run by a preference.")


def _has_none(why: str) -> Problem:
    return validation.invalid([{"parameter": "Prefer", "code": "no_dry_run", "detail": f"{why} Nothing was done."}])


def is_asked(request: ApiRequest) -> bool:
    """Tell whether a write is to be a dry run, or is to be refused for how it asks for one."""
    try:
        return request.method not in _SAFE and _wants(request)
    except Problem:
        return True


def _wants(request: ApiRequest) -> bool:
    return _is_preferred(request.META) or _is_in_query(request)


def _is_in_query(request: ApiRequest) -> bool:
    if not request.META["QUERY_STRING"] or PARAMETER not in request.GET or PARAMETER not in request.known_parameters:
        return False
    try:
        return _DryRunQuery.model_validate({PARAMETER: request.GET[PARAMETER]}).dry_run
    except ValidationError as failure:
        raise validation.of_input(failure, _DryRunQuery, "query") from None


def _is_preferred(headers: Mapping[str, str]) -> bool:
    preferences = headers.get("HTTP_PREFER", "").split(",")
    return any(preference.partition(";")[0].strip().lower() == PREFERENCE for preference in preferences)


def tell(request: ApiRequest, response: HttpResponse) -> None:
    """Say in the answer of a dry run that it is one; it has taken no change number that could be undone."""
    if not request.is_dry_run:
        return
    response.headers["Dry-Run"] = "true"
    response.headers.pop("Change-No", None)
    if _is_preferred(request.META):
        response.headers["Preference-Applied"] = PREFERENCE
