"""What does it cost to follow an account? A first sync of 10,000 tasks, a page of it, and a poll that finds nothing."""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import cells, fill, operations, owner
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.load import http_request, write_requests
from bench.operations import Operation, Targets
from bench.peers import Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

_PAGE = 500  # the most that one answer holds
_ROWS = 200  # the most of a list: a page of either is compared at this


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Sync whole accounts one after the other, then ask for single pages, one request at a time."""
    progress.begin(f"preparing owners of {owner.TASKS:,} tasks")
    fill.prepare(postgres, owner.PEER, Sizes(owner.OWNERS, owner.OWNERS * owner.TASKS), progress.tell)
    targets = operations.targets(postgres, owner.PEER.name)
    with (
        tempfile.TemporaryDirectory(prefix="todo-bench-") as name,
        Server(owner.PEER, postgres.url(owner.PEER.name), 1, plan.logs / "feed.log") as server,
    ):
        syncs = [_sync(server, targets, turn) for turn in range(plan.rounds + 1)][1:]  # the first is for warming up
        kinds = _kinds(server, targets)
        for kind in kinds:
            write_requests(Path(name) / kind.name, kind.requests(owner.PEER, targets))
        found = []
        steps = [(turn, kind) for turn in range(-1, plan.rounds) for kind in kinds]
        for turn, kind in progress.track(steps, "following an account"):
            progress.note(kind.title)
            requests = Path(name) / kind.name
            cell = cells.measure(server, postgres, kind, requests, connections=1, seconds=plan.seconds, turn=turn)
            if turn >= 0:
                found.append(asdict(cell))
    return {"tasks": owner.TASKS, "page": _PAGE, "sync_seconds": syncs, "cells": found}


def _sync(server: Server, targets: Targets, turn: int) -> float:
    """Return the seconds until all tasks of an account are there."""
    bearer = owner.PEER.bearer(targets.users[turn % len(targets.users)])
    began, count, cursor = time.perf_counter(), 0, ""
    while True:
        page = _page(server, f"/v1/changes?limit={_PAGE}{cursor}", bearer)
        count += len(page["items"])
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    if count < owner.TASKS:
        raise BenchError(f"a sync of {owner.TASKS} tasks has found {count}")
    return time.perf_counter() - began


def _page(server: Server, path: str, bearer: str) -> dict[str, Any]:
    status, body = server.ask(http_request("GET", path, bearer))
    if status != 200:
        raise BenchError(f"{path} was answered {status}: {body[:200]!r}")
    page: dict[str, Any] = json.loads(body)
    return page


def _kinds(server: Server, targets: Targets) -> list[Operation]:
    bearers = [owner.PEER.bearer(user) for user in targets.users]
    ends = [_page(server, "/v1/changes?cursor=now", bearer)["next_cursor"] for bearer in bearers]

    def of_each(name: str, title: str, *paths: str, items: int = 1) -> Operation:
        requests = [http_request("GET", path, bearer) for path, bearer in zip(paths, bearers, strict=True)]
        return Operation(name, title, lambda peer, targets: iter(requests), items=items)

    def one(peer: Peer, targets: Targets) -> Any:
        return (http_request("GET", f"/v1/tasks/{it.task_id}", peer.bearer(it.owner)) for it in targets.tasks)

    everybody = len(bearers)
    return [
        of_each("changes", f"a page of {_ROWS} changes", *[f"/v1/changes?limit={_ROWS}"] * everybody, items=_ROWS),
        of_each("rows", f"a list of the same {_ROWS}", *[f"/v1/tasks?limit={_ROWS}"] * everybody, items=_ROWS),
        of_each("poll", "a poll that finds nothing", *(f"/v1/changes?cursor={end}" for end in ends)),
        Operation("get", "one task", one),
    ]
