"""The paths of Todo-Backend, and what answers each."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, path
from pydantic import BaseModel, ValidationError

import tasks.api  # noqa: F401 -- registers the converters of paths
from doors import addresses
from doors.todobackend import todos
from doors.todobackend.place import KINDS, ROOT
from doors.todobackend.schemas import NewTodo, TodoChange
from todoproject.http import dry_runs, validation
from todoproject.http.body import StrictParser
from todoproject.http.request import ApiRequest
from todoproject.http.routing import template

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

_bodies = StrictParser()


class Operation(NamedTuple):
    """What a method of a path does, and what its body is."""

    run: Callable[..., Awaitable[HttpResponse]]
    body: type[BaseModel] | None = None


_ALL = {
    "GET": Operation(todos.find),
    "POST": Operation(todos.add, NewTodo),
    "DELETE": Operation(todos.clear),
}

OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    f"{ROOT}/<str:secret>": _ALL,
    # Who types the address into a client may end it like this. No redirect: a browser's preflight follows none.
    f"{ROOT}/<str:secret>/": _ALL,
    f"{ROOT}/<str:secret>/<any_case_uuid:task_id>": {
        "GET": Operation(todos.get),
        "PATCH": Operation(todos.change, TodoChange),
        "DELETE": Operation(todos.delete),
    },
}


def _view(operations: Mapping[str, Operation]) -> Callable[..., Any]:
    async def answer(request: ApiRequest, secret: str, **path: Any) -> HttpResponse:
        try:
            return await _run(operations[str(request.method)], request, secret, path)
        except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other of the API
            return await addresses.refuse(request, error)

    return answer


async def _run(operation: Operation, request: ApiRequest, secret: str, path: dict[str, Any]) -> HttpResponse:
    asked = cast("AuthenticatedRequest", request)
    asked.auth = addresses.admit(request, secret, KINDS)
    validation.refuse_odd_parameters(request, request.known_parameters)
    dry_runs.refuse(request)
    given = dict(path)
    if operation.body is not None:
        given["body"] = _read(operation.body, request)
    elif request.body:
        validation.refuse_body(_bodies.parse_any(request))
    response = await operation.run(asked, **given)
    response.headers["Cache-Control"] = "no-store"  # the url of a todo holds the secret
    return response


def _read(model: type[BaseModel], request: ApiRequest) -> BaseModel:
    try:
        return model.model_validate(_bodies.parse_body(request))
    except ValidationError as failure:
        raise validation.of_input(failure, model, "body") from None


patterns: list[URLPattern | URLResolver] = [path(route, _view(operations)) for route, operations in OPERATIONS.items()]
parameters: Mapping[str, Mapping[str, Mapping[str, bool]]] = {
    template(route): {method: {} for method in operations} for route, operations in OPERATIONS.items()
}
