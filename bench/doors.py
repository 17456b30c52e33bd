"""What does a door cost? Requests of other systems' clients, each beside our own operation of the same rows, by turns.

A calendar is one of the few that this process has written lately, or one of so many that it keeps none of them.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import cells, fill, operations
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.load import http_request, write_requests
from bench.operations import Operation, Targets
from bench.peers import LISTS, Credentials, Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

Requests = Callable[[Peer, Targets], Iterator[bytes]]


def _open(url: str) -> dict[str, str]:
    return {**LISTS.family.environment(url), "DOORS": "todoist,mcp,calendar,todo-backend"}


PEER = replace(LISTS, name="doors", title="ours, doors open", family=replace(LISTS.family, environment=_open))
# Half of an owner's tasks are open: fifty, as in a page. All their calendars together are more than a process keeps.
_SIZES = Sizes(600, 600 * 117)
_FEW = 20  # owners whose calendars it keeps
_PAGE = "limit=50&is_completed=false"


@dataclass(frozen=True)
class Beside:
    """A request through a door, and the operation of ours that it is held to."""

    name: str
    title: str
    ours: str


DOORS = (
    Beside("todoist page", "Todoist: a page of 50", "list"),
    Beside("todoist task", "Todoist: a task", "get"),
    Beside("todoist projects", "Todoist: projects", "lists"),
    Beside("todoist labels", "Todoist: labels", "labels"),
    Beside("todoist sync", "Todoist: a first sync", "changes"),
    Beside("agents", "agents: find 50 tasks", "list"),
    Beside("todo-backend", "Todo-Backend: the todos of a list", "in list"),
    Beside("calendar", "calendar of 50, written lately", "list"),
    Beside("calendar anew", "calendar of 50, written anew", "list"),
)


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Ask through each door and for what is ours, one request at a time, each round in the other order."""
    progress.begin("preparing owners who come through doors")
    fill.prepare(postgres, PEER, _SIZES, progress.tell)
    targets = operations.targets(postgres, PEER.name)
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="todo-bench-") as name,
        Server(PEER, postgres.url(PEER.name), 1, plan.logs / "doors.log") as server,
    ):
        kinds = _kinds(server, targets)
        requests = {kind.name: [*kind.requests(PEER, targets)] for kind in kinds}
        asked = dict.fromkeys(requests, 0)
        steps = [(turn, kind) for turn in range(-1, plan.rounds) for kind in kinds[:: 1 if turn % 2 else -1]]
        for turn, kind in progress.track(steps, "doors"):  # the first is for warming up
            progress.note(kind.title)
            # Each cell goes on where the last one ended: what was asked last is what the process has kept.
            begin = asked[kind.name] % len(requests[kind.name])
            file = Path(name) / kind.name
            write_requests(file, requests[kind.name][begin:] + requests[kind.name][:begin])
            cell = cells.measure(server, postgres, kind, file, connections=1, seconds=plan.seconds, turn=turn)
            asked[kind.name] += cell.sent
            if turn >= 0:
                found.append(asdict(cell))
    return {"cells": found}


def _kinds(server: Server, targets: Targets) -> list[Operation]:
    calendars = [_calendar(server, user) for user in targets.users]
    lists = [str(operations.list_id(user, 0)) for user in targets.users]
    backends = [_backend(server, *each) for each in zip(targets.users, lists, strict=True)]
    paths = {
        "list": f"/v1/tasks?{_PAGE}",
        "lists": "/v1/lists?limit=50",
        "labels": "/v1/labels",
        "changes": "/v1/changes?limit=500",
        "todoist page": "/api/v1/tasks?limit=50",
        "todoist projects": "/api/v1/projects?limit=50",
        "todoist labels": "/api/v1/labels?limit=50",
    }
    made: Mapping[str, list[bytes]] = {
        **{name: [_get(path, PEER.bearer(user)) for user in targets.users] for name, path in paths.items()},
        "todoist sync": [_post("/api/v1/sync", user, _SYNC) for user in targets.users],
        "agents": [_post("/mcp", user, _FIND) for user in targets.users],
        "todo-backend": [_get(path) for path in backends],
        "in list": [
            _get(f"/v1/tasks?limit=50&sort=position&list_id={it}", PEER.bearer(user))
            for user, it in zip(targets.users, lists, strict=True)
        ],
        "calendar": [_get(path) for path in calendars[:_FEW]],
        "calendar anew": [_get(path) for path in calendars],
    }
    titles = {door.name: door.title for door in DOORS}
    return [
        *(Operation(name, titles.get(name, name), _of_each_task(path)) for name, path in _ONE.items()),
        *(Operation(name, titles.get(name, name), _these(requests)) for name, requests in made.items()),
    ]


_ONE = {"get": "/v1/tasks/", "todoist task": "/api/v1/tasks/"}
_SYNC = {"sync_token": "*", "resource_types": ["items", "projects"]}
_FIND = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "find_tasks", "arguments": {"limit": 50}},
}


def _calendar(server: Server, user: Credentials) -> str:
    url: str = _made(server, user, "/v1/calendars", {"all": True})["url"]
    return urlsplit(url).path


def _backend(server: Server, user: Credentials, list_id: str) -> str:
    asked = {"name": "bench", "kind": "backend", "scopes": ["tasks:read", "tasks:write"], "list_id": list_id}
    return f"/todo-backend/{_made(server, user, '/v1/tokens', asked)['token']}"


def _made(server: Server, user: Credentials, path: str, body: object) -> dict[str, Any]:
    status, answer = server.ask(_post(path, user, body))
    if status != 201:
        raise BenchError(f"{path} was answered {status}: {answer[:200]!r}")
    made: dict[str, Any] = json.loads(answer)
    return made


def _get(path: str, bearer: str | None = None) -> bytes:
    return http_request("GET", path, bearer)


def _post(path: str, user: Credentials, body: object) -> bytes:
    return http_request("POST", path, PEER.bearer(user), json.dumps(body).encode())


def _these(requests: Sequence[bytes]) -> Requests:
    return lambda peer, targets: iter(requests)


def _of_each_task(path: str) -> Requests:
    def requests(peer: Peer, targets: Targets) -> Iterator[bytes]:
        return (_get(f"{path}{it.task_id}", peer.bearer(it.owner)) for it in targets.tasks)

    return requests
