"""What does an owner with 10,000 tasks cost the database? Orders of three keys, for which no index is; statistics."""

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import cells, fill, operations
from bench.dataset import Sizes
from bench.load import write_requests
from bench.peers import LISTS
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

TASKS = 10_000
OWNERS = 20
PEER = replace(LISTS, name="owner")


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Ask as one after the other of some such owners, one request at a time."""
    progress.begin(f"preparing owners of {TASKS:,} tasks")
    fill.prepare(postgres, PEER, Sizes(OWNERS, OWNERS * TASKS), progress.tell)
    targets = operations.targets(postgres, PEER.name)
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="todo-bench-") as name,
        Server(PEER, postgres.url(PEER.name), 1, plan.logs / "owner.log") as server,
    ):
        for kind in operations.MANY.values():
            write_requests(Path(name) / kind.name, kind.requests(PEER, targets))
        steps = [(turn, kind) for turn in range(-1, plan.rounds) for kind in operations.MANY.values()]
        for turn, kind in progress.track(steps, "an owner with many tasks"):  # the first is for warming up
            progress.note(f"{kind.title}, {kind.name}")
            requests = Path(name) / kind.name
            cell = cells.measure(server, postgres, kind, requests, connections=1, seconds=plan.seconds, turn=turn)
            if turn >= 0:
                found.append(asdict(cell))
    return {"tasks": TASKS, "cells": found}
