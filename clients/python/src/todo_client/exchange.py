"""One exchange with the server: what is sent, and when it is sent again.

The rules are here once, without a line of I/O: `exchange` yields what is to be done (send a request, wait) and is given
what came of it. The two clients only carry it out, blocking or not.
"""

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from todo_client.errors import ConnectionFailed, ProblemError, refusal

KEY = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the API. `path` is escaped already; parameters that are None are left out."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_repeatable(self) -> bool:
        """Tell whether sending it twice does no more than sending it once."""
        return self.method in {"GET", "PUT", "DELETE"} or KEY in self.headers


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is sent at most, and how long is waited between two attempts.

    `longest_wait` bounds what the server may ask for: beyond it the refusal is raised, with its `retry_after`.
    """

    attempts: int = 4
    first_wait: float = 0.25
    longest_wait: float = 60.0

    def backoff(self, attempt: int, asked: float | None) -> float | None:
        """Return how long to wait after the attempt (1, 2, …), None to give up.

        Waits double, each with full jitter: clients that failed together must not come back together. What the server
        asks for is the least, with a little jitter on top.
        """
        if attempt >= self.attempts or (asked is not None and asked > self.longest_wait):
            return None
        spread = min(self.first_wait * 2 ** (attempt - 1), 8.0)
        return (asked or 0.0) + random.uniform(0, spread)  # noqa: S311 -- jitter is no secret


Outcome = httpx.Response | httpx.TransportError
Steps = Generator[Request | Wait, Outcome | None, httpx.Response]

# Nothing has been sent yet when these come.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# The server, or what stands before it, could not answer; the request may have been carried out all the same.
_PASSING = frozenset({408, 502, 503, 504})


def exchange(request: Request, retries: Retries) -> Steps:
    """Send the request until there is an answer to keep, and return that. Raises ProblemError, ConnectionFailed."""
    may_be_done = False
    attempt = 0
    while True:
        attempt += 1
        outcome = yield request
        assert outcome is not None  # noqa: S101 -- whoever drives this answers each request
        if isinstance(outcome, httpx.Response):
            if outcome.is_success:
                return outcome
            if may_be_done and request.method == "DELETE" and outcome.status_code == 404:
                return httpx.Response(204)  # it was carried out by the attempt whose answer was lost
        failure = _failure(outcome)
        if _is_refused_for_its_key(failure):
            request = replace(request, headers={name: text for name, text in request.headers.items() if name != KEY})
            continue
        wait = retries.backoff(attempt, _asked(failure)) if _may_repeat(request, outcome) else None
        if wait is None:
            raise failure
        may_be_done |= _may_have_been_carried_out(outcome)
        yield Wait(wait)


def _may_repeat(request: Request, outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.TransportError):
        return request.is_repeatable or isinstance(outcome, _NEVER_SENT)
    if outcome.status_code == 429:
        return True  # nothing was done
    if outcome.status_code == 409:
        return _code(outcome) == "in-flight"  # the first attempt is still being worked on: its answer will be there
    return request.is_repeatable and outcome.status_code in _PASSING


def _may_have_been_carried_out(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in _PASSING
    return not isinstance(outcome, _NEVER_SENT)


def _failure(outcome: Outcome) -> ProblemError | ConnectionFailed:
    if isinstance(outcome, httpx.Response):
        return refusal(outcome)
    failed = ConnectionFailed(str(outcome) or type(outcome).__name__)
    failed.__cause__ = outcome
    return failed


def _asked(failure: ProblemError | ConnectionFailed) -> float | None:
    return failure.retry_after if isinstance(failure, ProblemError) else None


def _is_refused_for_its_key(failure: ProblemError | ConnectionFailed) -> bool:
    """Tell whether nothing was done only because no more answers are stored for the account today."""
    return isinstance(failure, ProblemError) and failure.code == "too-many-answers"


def _code(response: httpx.Response) -> str:
    return refusal(response).code
