"""Where PostgreSQL's time goes, by operation: a part is what an operation costs more than the same without that part.

Each way to do without something is a copy of the database, or the same message with something left out. All take turns
with the whole, some requests each, in one session each; what counts is the processor time of its backend, which other
people on the machine disturb little. The messages are our server's own, taken from PostgreSQL's log.
"""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
from psycopg import RawCursor

from bench import fill, limit, operations, serverlog
from bench.database_parts import PARTS, WHOLE, Part
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.limit import Sent
from bench.operations import Target, Targets
from bench.peers import OURS
from bench.plan import Plan
from bench.postgres import OWNER, Postgres
from bench.progress import Progress
from bench.servers import Server

SIZES = Sizes(users=50, tasks=50_000)
OPERATIONS = ("get", "list", "create", "patch", "delete")
_ROUNDS = 40  # each with another owner, so that no row is written again and again
_REQUESTS = 20
_WARM_UP_ROUNDS = 2

Connection = psycopg.Connection[tuple[Any, ...]]


class Spread(NamedTuple):
    """A median and the middle half, in microseconds."""

    median: float
    low: float
    high: float


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Return for each operation the time of every variant, by round, in microseconds for a request."""
    progress.begin("preparing databases without something")
    fill.prepare(postgres, OURS, SIZES, progress.tell)
    targets = operations.targets(postgres, OURS.name)
    messages = dict(_messages(postgres, plan, targets))
    owners = _by_owner([*targets.tasks, *targets.spare])
    with ExitStack() as stack:
        sessions = {part.name: stack.enter_context(_session(postgres, part)) for part in PARTS}
        try:
            found = _measure(sessions, messages, owners, progress)
        finally:
            stack.close()
            for part in PARTS:
                postgres.drop(_database(part))
    return {"sizes": {"users": SIZES.users, "tasks": SIZES.tasks}, "microseconds": found}


def _messages(postgres: Postgres, plan: Plan, targets: Targets) -> Iterator[tuple[str, list[Sent]]]:
    with (
        serverlog.logging(postgres, OURS.name, log_statement="all") as entries,
        Server(limit.QUIET, postgres.url(OURS.name), 1, plan.logs / "ours-parts.log") as server,
    ):
        for name in OPERATIONS:
            before = len(entries())
            for request in islice(operations.ALL[name].requests(OURS, targets), 1):
                server.ask(request)
            (message,) = limit.messages(entries()[before:])
            yield name, message
    fill.restore(postgres, OURS)


def _by_owner(targets: Sequence[Target]) -> list[list[Target]]:
    """Return the tasks of each owner; as many for every operation that needs a new one as there are to be requests."""
    found: dict[str, list[Target]] = {}
    for target in targets:
        found.setdefault(target.owner.user_id, []).append(target)
    owners = [tasks for tasks in found.values() if len(tasks) >= 2 * _REQUESTS]
    if len(owners) < _ROUNDS + _WARM_UP_ROUNDS:
        raise BenchError("too few owners to measure the parts of PostgreSQL's time")
    return owners


def _database(part: Part) -> str:
    return f"part_{re.sub(r'[^a-z]+', '_', part.name.lower())}"


def _session(postgres: Postgres, part: Part) -> Connection:
    """Return a session as the server has it, on a copy that lacks the part."""
    name = _database(part)
    postgres.create(name, OURS.name)
    postgres.execute(name, "SET search_path = todo", part.without)
    connection: Connection = psycopg.connect(host=str(postgres.socket), user=OWNER, dbname=name, autocommit=True)
    connection.execute("SET search_path = todo")
    connection.execute(part.session)
    connection.prepare_threshold = 0
    return connection


def _measure(
    sessions: Mapping[str, Connection],
    messages: Mapping[str, list[Sent]],
    owners: Sequence[Sequence[Target]],
    progress: Progress,
) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {name: {} for name in OPERATIONS}
    steps = list(range(-_WARM_UP_ROUNDS, _ROUNDS))
    for turn in progress.track(steps, "parts of PostgreSQL's time"):
        tasks = owners[turn + _WARM_UP_ROUNDS]
        for operation in OPERATIONS:
            parts = [part for part in PARTS if operation in part.operations]
            for part in (*parts[turn % len(parts) :], *parts[: turn % len(parts)]):
                chosen = tasks[:_REQUESTS] if operation == "delete" else tasks[_REQUESTS : 2 * _REQUESTS]
                microseconds = _time(sessions[part.name], part, messages[operation], chosen)
                if turn >= 0:
                    found[operation].setdefault(part.name, []).append(microseconds)
    return found


def _time(connection: Connection, part: Part, message: Sequence[Sent], tasks: Sequence[Target]) -> float:
    """Return the microseconds of a processor that the backend takes for a request, one about each of the tasks."""
    owner = tasks[0].owner
    connection.execute(part.begin.format(owner=owner.user_id))
    sent = [list(_about(part.edited(message), owner.user_id, limit.digest(owner), task)) for task in tasks]
    cursor = RawCursor(connection)
    before = _nanoseconds(connection.info.backend_pid)
    for request in sent:
        with connection.pipeline():
            for statement in request:
                cursor.execute(statement.text, statement.parameters, prepare=True)
    used = _nanoseconds(connection.info.backend_pid) - before
    connection.execute("RESET ROLE")
    return used / 1000 / len(tasks)


def _about(message: Sequence[Sent], owner: str, digest: str, task: Target) -> Iterator[Sent]:
    """Yield the message about another owner and task, with ids and a title that are new."""
    new = str(uuid4())
    for statement in message:
        text = statement.text.replace("{owner}", owner)
        given = statement.parameters
        if "open_request" in text:
            given = [digest, *given[1:]]
        elif "INSERT INTO" in text:
            given = [new, new, *given[2:]]
        elif 'UPDATE "tasks" SET "title"' in text:
            given = [f"Buy the milk number {new[:4]}", task.task_id]
        elif given:
            given = [task.task_id]
        yield replace(statement, text=text, parameters=given)


def _nanoseconds(pid: int) -> int:
    """Return the processor time of a process. Raises BenchError where the system does not tell it so exactly."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except OSError as error:
        raise BenchError("the parts of PostgreSQL's time can be measured on Linux alone") from error


def rows(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Spread]]]:
    """Yield what each part takes of each operation: first the whole."""
    times = found["microseconds"]
    yield "all of it", {name: _spread(times[name][WHOLE.name]) for name in times}
    for part in PARTS[1:]:
        yield (
            part.name,
            {
                name: _spread(
                    [more - less for more, less in zip(of[part.beside], of[part.name], strict=True)],
                )
                for name, of in times.items()
                if part.name in of
            },
        )


def _spread(values: Sequence[float]) -> Spread:
    low, median, high = statistics.quantiles(values, n=4)
    return Spread(median, low, high)
