"""The operations of the API: each a function that makes an `Operation`, what to send and how to read the answer.

Nothing is sent here. Both clients have these functions as their methods, see `todo_client.client`.
"""

import inspect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import update_wrapper
from typing import Any, Generic, TypeVar, get_args
from urllib.parse import quote

import httpx

from todo_client.errors import UnexpectedAnswer
from todo_client.exchange import KEY, Request
from todo_client.models import Document, Page, Task, TaskList

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A request, and what its answer means."""

    request: Request
    read: Callable[[httpx.Response], T]

    def result(self, response: httpx.Response) -> T:
        """Read the answer. Raises UnexpectedAnswer for one that is not this API's."""
        try:
            return self.read(response)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            detail = f"{response.status_code} {response.headers.get('Content-Type', 'without a type')}"
            raise UnexpectedAnswer(f"This is no answer of the task API ({detail}): {error!r}") from error


def as_method(call: C, make: Callable[..., Operation[Any]], kind: Any = None) -> C:
    """Give a method what `help` shows of it: the name, words and arguments of the function that makes its operation.

    What it returns is what the operation has; a listing, of `kind`, what is on its pages.
    """
    made = inspect.signature(make)
    (result,) = get_args(made.return_annotation)
    returned = result if kind is None else kind[get_args(result)[0]]
    arguments = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *made.parameters.values()]
    shown: Any = update_wrapper(call, make)
    shown.__signature__ = made.replace(parameters=arguments, return_annotation=returned)
    return call


def following(operation: Operation[Page[T]], cursor: str) -> Operation[Page[T]]:
    """Make the operation for the page behind a cursor."""
    request = replace(operation.request, params={**operation.request.params, "cursor": cursor})
    return replace(operation, request=request)


def get(path: str, read: Callable[[Document], T], params: Mapping[str, Any] | None = None) -> Operation[T]:
    """Make an operation that reads."""
    return Operation(Request("GET", path, parameters(params or {})), reading(read))


def write(
    method: str,
    path: str,
    read: Callable[[httpx.Response], T],
    *,
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    if_match: int | None = None,
    key: str | None = None,
) -> Operation[T]:
    """Make an operation that writes. `POST` and `PATCH` get an idempotency key, so that they can be sent again."""
    headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
    if method in {"POST", "PATCH"}:
        headers[KEY] = key or str(uuid.uuid4())
    return Operation(Request(method, path, parameters(params or {}), plain(body), headers), read)


def reading(read: Callable[[Document], T]) -> Callable[[httpx.Response], T]:
    """Read the JSON object of an answer."""
    return lambda response: read(response.json())


def nothing(_: httpx.Response) -> None:
    """Read an answer that has no content."""


def id_of(thing: Task | TaskList | str) -> str:
    return thing if isinstance(thing, str) else thing.id


def version_of(thing: Task | TaskList | str) -> int | None:
    """Return the version that the thing in hand has; an id has none, and is changed whatever it is now."""
    return None if isinstance(thing, str) else thing.version


def segment(text: str) -> str:
    """Escape a text for one segment of a path."""
    return quote(text, safe="")


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return query parameters as the server reads them; a repeated one is a list."""
    return {name: _parameter(value) for name, value in given.items() if value is not None}


def _parameter(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_parameter(one) for one in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it. Raises ValueError for an instant without its offset: nobody knows which it is."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: give it one, e.g. with .astimezone()")
        return value.isoformat()
    return value.isoformat() if isinstance(value, date) else value
