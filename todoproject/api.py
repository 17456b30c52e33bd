"""The API, put together: its routers, its authentication, the apps' answers to errors, its document."""

import functools
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import ValidationErrorContext

from accounts.api import constraints as account_constraints
from accounts.api import errors as account_errors
from accounts.api.accounts import router as accounts_router
from accounts.api.calendars import router as calendars_router
from accounts.api.decorators import answer_401_before_422, with_idempotency_key
from accounts.api.sessions import router as sessions_router
from accounts.api.tokens import router as tokens_router
from accounts.authentication import Bearer
from accounts.queries import account_export
from tasks.api import constraints as task_constraints
from tasks.api import errors as task_errors
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
from tasks.queries import account_export as tasks_exports
from todoproject.database.errors import ConstraintViolated
from todoproject.http import constraints, dry_runs, errors, validation
from todoproject.http.body import StrictParser
from todoproject.http.problems import Problem
from todoproject.http.request import ApiRequest
from todoproject.monitoring.health import router as health_router
from todoproject.openapi import document as openapi
from todoproject.openapi import parameters
from todoproject.version import VERSION

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


api = API(
    title="Todo",
    version=VERSION,
    parser=_bodies,
    auth=Bearer(),
    # Both are served by our own views: Ninja's would start a thread, and its document lacks the errors.
    openapi_url=None,
    docs_url=None,
)

# The later one is inside the earlier one.
api.add_decorator(with_idempotency_key, mode="view")
api.add_decorator(answer_401_before_422, mode="view")
api.add_router("/v1", accounts_router)
api.add_router("/v1", tokens_router)
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

for _error, _answer in (errors.ANSWERS | account_errors.ANSWERS | task_errors.ANSWERS).items():
    api.add_exception_handler(_error, _answer)

_CONSTRAINTS = account_constraints.CONSTRAINTS | task_constraints.CONSTRAINTS


@api.exception_handler(ConstraintViolated)
def _constraint_violated(request: HttpRequest, error: ConstraintViolated) -> HttpResponse:
    return errors.answer(request, constraints.problem(error, _CONSTRAINTS))


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
