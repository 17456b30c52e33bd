"""Does a request cost more in a large table? The same server, once on a small one and once on a large one.

Every user has as many tasks in either, in four lists, so a request finds as much; only table and indexes differ.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import cells, fill, operations, serverlog
from bench.load import write_requests
from bench.peers import LISTS
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

# A prepared statement is planned for its values five times, and then perhaps once for all: those are the plans to show.
_ASKED_BEFORE = 8
OPERATIONS = {**{name: operations.ALL[name] for name in ("get", "list", "filter", "search")}, **operations.LISTS}
_EXPLAIN = {
    "session_preload_libraries": "auto_explain",
    "auto_explain__log_min_duration": "0",
    "auto_explain__log_analyze": "on",
    "auto_explain__log_buffers": "on",
    "auto_explain__log_nested_statements": "on",
}


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure reading operations on both tables, in turn, and take PostgreSQL's plans."""
    kinds = OPERATIONS.values()
    found, plans = [], {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todo-bench-")))
        servers = {}
        for sizes in plan.scale:
            progress.begin(f"preparing {sizes.tasks:,} tasks")
            peer = replace(LISTS, name=f"ours_{sizes.tasks}")
            fill.prepare(postgres, peer, sizes, progress.tell)
            targets = operations.targets(postgres, peer.name)
            for kind in kinds:
                write_requests(folder / f"{sizes.tasks}-{kind.name}", kind.requests(peer, targets))
            plans[str(sizes.tasks)] = _plans(postgres, plan, peer.name, folder, sizes.tasks)
            server = Server(peer, postgres.url(peer.name), plan.workers, plan.logs / f"{peer.name}.log")
            servers[sizes.tasks] = stack.enter_context(server)
        steps = [
            (turn, kind, connections, tasks)
            for turn in range(-1, plan.rounds)  # the first is for warming up
            for kind in kinds
            for connections in (1, 32)
            for tasks in (sorted(servers) if turn % 2 else sorted(servers, reverse=True))
        ]
        for turn, kind, connections, tasks in progress.track(steps, "scale"):
            progress.note(f"{kind.title}, {tasks:,} tasks")
            cell = cells.measure(
                servers[tasks],
                postgres,
                kind,
                folder / f"{tasks}-{kind.name}",
                connections=connections,
                seconds=plan.seconds,
                turn=turn,
            )
            if turn >= 0:
                found.append({**asdict(cell), "tasks": tasks})
    return {"cells": found, "plans": plans}


def _plans(postgres: Postgres, plan: Plan, database: str, folder: Path, tasks: int) -> dict[str, list[str]]:
    """Return, for each operation, the plans of one request of our server, as auto_explain has logged them."""
    found = {}
    postgres.execute(database, "VACUUM (ANALYZE)")
    with (
        serverlog.logging(postgres, database, **_EXPLAIN) as entries,
        Server(
            replace(LISTS, name=database), postgres.url(database), 1, plan.logs / f"{database}-explain.log"
        ) as server,
    ):
        for name in OPERATIONS:
            request = (folder / f"{tasks}-{name}").read_bytes().partition(b"\0")[0]
            for _ in range(_ASKED_BEFORE):
                server.ask(request)
            before = len(entries())
            server.ask(request)
            found[name] = [entry for entry in entries()[before:] if " plan:\n" in entry]
    return found
