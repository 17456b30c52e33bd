"""What do the members cost that a task need not have? Four operations on tasks with five labels and two reminders each.

Ours, on two databases that differ in this alone, in turn.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import cells, fill, operations
from bench.load import write_requests
from bench.peers import FULL, OURS
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

_KINDS = {OURS.name: operations.ALL, FULL.name: operations.FULL}


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure both, round by round, each beginning with another one."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todo-bench-")))
        servers = {}
        for peer in (OURS, FULL):
            progress.begin(f"preparing {peer.title}")
            fill.prepare(postgres, peer, plan.sizes, progress.tell)
            targets = operations.targets(postgres, peer.name)
            for name in operations.FULL:
                write_requests(folder / f"{peer.name}-{name}", _KINDS[peer.name][name].requests(peer, targets))
            server = Server(peer, postgres.url(peer.name), plan.workers, plan.logs / f"{peer.name}-members.log")
            servers[peer.name] = stack.enter_context(server)
        steps = [
            (turn, name, connections, peer)
            for turn in range(-1, plan.rounds)  # the first is for warming up
            for name in operations.FULL
            for connections in (1, 32)
            for peer in ((OURS, FULL) if turn % 2 else (FULL, OURS))
        ]
        for turn, name, connections, peer in progress.track(steps, "members"):
            kind = _KINDS[peer.name][name]
            progress.note(f"{kind.title}, {peer.title}")
            cell = cells.measure(
                servers[peer.name],
                postgres,
                kind,
                folder / f"{peer.name}-{name}",
                connections=connections,
                seconds=plan.seconds,
                turn=turn,
            )
            if kind.writes:
                fill.restore(postgres, peer)
            if turn >= 0:
                found.append(asdict(cell))
    return {"cells": found}
