"""Each peer answers each operation right: the same tasks, with the same members, as ours does."""

import json
from itertools import islice
from typing import Any

from bench import fill, operations
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.load import http_request
from bench.operations import Operation, Targets
from bench.peers import Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

SIZES = Sizes(users=100, tasks=10_000)
_REQUESTS = 25
# What every stack has. Ours also tells versions and deletions, the others the owner.
MEMBERS = ("id", "title", "description", "is_completed", "completed_at", "priority", "due_on", "due_at", "created_at")
_MADE_HERE = ("id", "created_at", "completed_at")  # differ where each server makes its own
_STATUS = {"create": 201, "delete": 204}


def run(postgres: Postgres, plan: Plan, progress: Progress) -> int:
    """Compare the peers' answers with those of the first, and return how many were compared. Raises BenchError."""
    kinds = [kind for kind in plan.operations if kind.name not in ("mix", "batch")]
    answers: dict[str, list[Any]] = {}
    for peer in progress.track([peer for peer in plan.peers if not peer.is_ceiling], "checking"):
        progress.note(peer.title)
        fill.prepare(postgres, peer, SIZES, progress.tell)
        targets = operations.targets(postgres, peer.name)
        with Server(peer, postgres.url(peer.name), 1, plan.logs / f"{peer.name}-check.log") as server:
            _refuse_a_stranger(server, peer, targets)
            for kind in kinds:
                found = [_answer(server, kind, request) for request in _requests(kind, peer, targets)]
                if found != answers.setdefault(kind.name, found):
                    raise BenchError(_difference(peer, kind, answers[kind.name], found))
    return sum(len(found) for found in answers.values())


def _refuse_a_stranger(server: Server, peer: Peer, targets: Targets) -> None:
    """Ask for a task of somebody else: whoever looks for no owner does less than what is compared."""
    task = targets.tasks[0]
    stranger = next(user for user in targets.users if user != task.owner)
    status, _ = server.ask(http_request("GET", f"/v1/tasks/{task.task_id}", peer.bearer(stranger)))
    if status != 404:
        raise BenchError(f"{peer.title} answers {status} to a stranger, and 404 was to be")


def _requests(kind: Operation, peer: Peer, targets: Targets) -> list[bytes]:
    return list(islice(kind.requests(peer, targets), _REQUESTS))


def _answer(server: Server, kind: Operation, request: bytes) -> Any:
    status, body = server.ask(request)
    if status != _STATUS.get(kind.name, 200):
        raise BenchError(f"{server.peer.title}, {kind.title}: {status} {body[:300].decode(errors='replace')}")
    if not body:
        return None
    document = json.loads(body)
    if isinstance(document, dict) and "title" in document:
        return normal(document, without=_MADE_HERE if kind.name == "create" else ())
    rows = document if isinstance(document, list) else document.get("items", document.get("data"))
    if not rows and kind.name != "search":
        raise BenchError(f"{server.peer.title}, {kind.title}: nothing found, so nothing measured")
    return [normal(row) for row in rows]


def normal(task: dict[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the members that all have, with instants written in one way."""
    found = {name: task[name] for name in MEMBERS if name not in without}
    for name in ("completed_at", "due_at", "created_at"):
        if isinstance(found.get(name), str):
            found[name] = _instant(found[name])
    return found


def _instant(text: str) -> str:
    """Return an instant to the millisecond, which is as exact as all of them tell it."""
    seconds, _, fraction = text.removesuffix("Z").removesuffix("+00:00").partition(".")
    return f"{seconds}.{fraction[:3].ljust(3, '0')}"


def _difference(peer: Peer, kind: Operation, expected: list[Any], found: list[Any]) -> str:
    pairs = zip(expected, found, strict=True)
    first = next((pair for pair in pairs if pair[0] != pair[1]), (expected, found))
    return (
        f"{peer.title} answers {kind.title} otherwise than the others: {first[1]!r:.1500} instead of {first[0]!r:.1500}"
    )
