"""What has been done, in numbers: counted where it happens, for about half a microsecond a request.

Counting is always on: the admin shows the slowest routes without any setting. What is exported, and where, is in
`exposition` and `todoproject/management/commands/runserver.py`; nothing here ever asks the database.

Labels come from closed sets (templates of routes, statuses, problem codes), never from what a client has made up.
"""

from bisect import bisect_left
from typing import NamedTuple

from todoproject.observability.metrics.store import Key, Numbers, Store

# Seconds, upper ends of the buckets; most answers take a millisecond, and a wait for the pool ends after seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# What a row holds: of a request seconds, seconds of the database, buckets; of a statement seconds, buckets.
_REQUEST, _STATEMENT = 2 + len(BOUNDS) + 1, 1 + len(BOUNDS) + 1

# A method is whatever a client writes; what is none of these shares one row.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ENGINES = ("api", "django")  # who asks the database: the API's pool; the admin and commands
RETRY_REASONS = ("undone", "lost", "stale")  # for another one; its connection broke; its prepared form was
BACKGROUND_JOBS = (
    "reminders",
    "reminder_mails",
    "webhooks",
    "webhook_mails",
    "purge",
)  # what is done without a request
UNMATCHED = "unmatched"  # the route of what was refused before it had one: unknown paths, limits

store = Store(BOUNDS, _REQUEST, _STATEMENT)


class Route(NamedTuple):
    """How one operation has done; times are of the whole request, in milliseconds."""

    method: str
    route: str
    calls: int
    errors: int  # answers of 500 and above
    mean_ms: float
    p95_ms: float  # the upper end of the bucket it falls into, so an approximation from above
    database_ms: float  # mean of what was spent waiting for the database


def count_request(method: str, route: str | None, status: int, seconds: float, database_seconds: float) -> None:
    """Count one answered request; only the thread of the event loop may."""
    row = store.rows.get(("request", method, route, status))
    if row is None:
        row = _request_row(method, route, status)
    cells = store.cells
    cells[row] += seconds
    cells[row + 1] += database_seconds
    cells[row + 2 + bisect_left(BOUNDS, seconds)] += 1


def count_statement(engine: str, seconds: float) -> None:
    """Count one message to the database and its answer; any thread may. `engine` is one of ENGINES."""
    row = store.row(("statement", engine), _STATEMENT)
    with store.lock:
        store.cells[row] += seconds
        store.cells[row + 1 + bisect_left(BOUNDS, seconds)] += 1


def count(name: str, *labels: str, by: float = 1) -> None:
    """Add to the counter `name` of `exposition`, which names its labels; any thread may."""
    store.add((name, *labels), by)


def routes() -> list[Route]:
    """Return how each operation has done since the server's start, over all its workers, the slowest first.

    Costs about a millisecond and asks nobody but the memory of the workers.
    """
    found: dict[Key, list[float]] = {}
    errors: dict[Key, int] = {}
    for key, numbers in store.total().items():
        if key[0] == "request":
            route, calls = key[1:3], sum(numbers[2:])
            found[route] = _add(found.get(route, [0.0] * len(numbers)), numbers)
            errors[route] = errors.get(route, 0) + int(calls if int(key[3]) >= 500 else 0)
    slowest = sorted(found.items(), key=lambda item: -quantile(item[1][2:], 0.95))
    return [_route(key, numbers, errors[key]) for key, numbers in slowest]


def problems() -> dict[str, int]:
    """Return how often each problem was answered since the server's start, over all its workers, by its code.

    `wrong-credentials` are failed logins.
    """
    return {key[1]: int(numbers[0]) for key, numbers in store.total().items() if key[0] == "problem"}


def quantile(buckets: Numbers, share: float) -> float:
    """Return the upper end, in seconds, of the bucket in which this share of the observations is reached."""
    wanted, seen = share * sum(buckets), 0.0
    for bound, number in zip((*BOUNDS, float("inf")), buckets, strict=True):
        seen += number
        if number and seen >= wanted:
            return bound
    return 0.0


def known_method(method: str) -> str:
    """Return a method of ours, or `other` for what a client has made up."""
    return method if method in _METHODS else "other"


def _route(key: Key, numbers: Numbers, errors: int) -> Route:
    calls = sum(numbers[2:])
    p95 = min(quantile(numbers[2:], 0.95), 2 * BOUNDS[-1])  # the last bucket has no end
    mean_ms, database_ms = (1000 * seconds / calls for seconds in numbers[:2])
    return Route(key[0], key[1], int(calls), errors, mean_ms, 1000 * p95, database_ms)


def _add(first: Numbers, second: Numbers) -> list[float]:
    return [one + other for one, other in zip(first, second, strict=True)]


def _request_row(method: str, route: str | None, status: int) -> int:
    """Return where a kind of request is counted, and remember it; made-up methods are not worth remembering."""
    known = known_method(method)
    row = store.row(("request", known, route or UNMATCHED, str(status)), _REQUEST)
    if known == method:
        store.rows["request", method, route, status] = row
    return row
