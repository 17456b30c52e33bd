"""The commands: measure, show, and write down."""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import (
    admin,
    building,
    check,
    compare,
    database,
    doors,
    feed,
    load,
    login,
    machine,
    members,
    migrate,
    operations,
    options,
    owner,
    peers,
    postgres,
    profile,
    ratios,
    report,
    scale,
    start,
    streams,
    tables,
    webhooks,
)
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress

_PARTS: Mapping[str, Callable[[Postgres, Plan, Progress], dict[str, Any]]] = {
    "compare": compare.run,
    "database": database.run,
    "start": start.run,
    "login": login.run,
    "members": members.run,
    "owner": owner.run,
    "feed": feed.run,
    "doors": doors.run,
    "streams": streams.run,
    "webhooks": webhooks.run,
    "scale": scale.run,
    "admin": admin.run,
    "migrate": migrate.run,
}
# So that the two tables differ in their size and not in what a user has.
_TASKS_OF_A_USER = 500


def main() -> int:
    """Return the exit code: 1 where something is missing or an answer was wrong, 2 for a mistake in the options."""
    chosen = options.parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an orderly end too, which stops all servers
    try:
        return _command(chosen)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130


def _command(chosen: Any) -> int:
    match chosen.command:
        case ["run"]:
            return _run(chosen)
        case ["check"]:
            return _check(chosen)
        case ["report", file]:
            report.write(Path(file))
            return 0
        case ["profile", peer, operation] if peer in peers.ALL and operation in operations.ALL:
            return _profile(chosen, peer, operation)
    print(f"bench: {' '.join(chosen.command)!r} is no command of it; see --help", file=sys.stderr)
    return 2


def _plan(chosen: Any) -> Plan:
    """Return what to measure, of the peers that this machine can build. Raises BenchError."""
    logs = chosen.data.with_name(f"{chosen.data.name}-logs")
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{logs} cannot be made: {error.strerror}") from error
    return Plan(
        building.available(chosen.peers, _tell),
        chosen.operations,
        chosen.connections,
        chosen.rounds,
        chosen.seconds,
        chosen.workers,
        Sizes(chosen.users, chosen.tasks),
        [Sizes(max(1, tasks // _TASKS_OF_A_USER), tasks) for tasks in chosen.scale],
        logs,
    )


def _tell(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr)


def _run(chosen: Any) -> int:
    results: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "versions": {**machine.versions(), "generator": load.require_wrk()},
        "options": {name: str(value) for name, value in vars(chosen).items() if name not in ("peers", "operations")},
    }
    plan = _plan(chosen)
    _save(results, chosen.json)  # what cannot be written is told before an hour has passed
    with Progress() as progress, postgres.running(chosen.data) as server:
        results["postgres"] = server.settings()
        for part in chosen.parts:
            results[part] = _PARTS[part](server, plan, progress)
            _save(results, chosen.json)  # what is measured is not lost with what fails later
    tables.show(results, Console())
    cells = [
        cell
        for part in ("compare", "members", "owner", "feed", "doors", "scale")
        for cell in results.get(part, {}).get("cells", [])
    ]
    return int(len(ratios.good(cells)) < len(cells))


def _save(results: dict[str, Any], path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path} cannot be written: {error.strerror}") from error


def _check(chosen: Any) -> int:
    plan = _plan(chosen)
    with Progress() as progress, postgres.running(chosen.data) as server:
        count = check.run(server, plan, progress)
    print(f"{count} answers are the same from {', '.join(peer.title for peer in plan.peers if not peer.is_ceiling)}.")
    return 0


def _profile(chosen: Any, peer: str, operation: str) -> int:
    load.require_wrk()
    with Progress() as progress, postgres.running(chosen.data) as server:
        found = profile.run(server, _plan(chosen), progress, peers.ALL[peer], operations.ALL[operation])
    tables.show_profile(found, Console())
    return 0
