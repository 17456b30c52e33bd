"""`python -m bench`: measure, show, and write down."""

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import compare, load, machine, options, postgres, tables
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.progress import Progress


def main() -> int:
    """Return the exit code: 1 where something is missing or an answer was wrong, 2 for a mistake in the options."""
    chosen = options.parse()
    try:
        results = _run(chosen)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    tables.show(results, Console())
    return int(any(cell["errors"] for cell in results["compare"]["cells"]))


def _run(chosen: Any) -> dict[str, Any]:
    generator = load.require_wrk()
    plan = compare.Plan(
        chosen.peers,
        chosen.operations,
        chosen.connections,
        chosen.rounds,
        chosen.seconds,
        chosen.workers,
        Sizes(chosen.users, chosen.tasks),
    )
    results: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "versions": {**machine.versions(), "generator": generator},
    }
    logs = Path(tempfile.mkdtemp(prefix="todo-bench-logs-"))
    with Progress() as progress, postgres.running(chosen.data) as server:
        results["postgres"] = server.settings()
        results["compare"] = compare.run(server, plan, progress, logs)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(results, indent=1))
    return results


sys.exit(main())
