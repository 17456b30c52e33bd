"""What a run has shown: JSON for machines, and a table for people, which docs/reliability.md holds a copy of."""

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.processes.servers import ROOT

PUBLISHED = ROOT / "tests" / "faults" / "faults.json"
PAGE = ROOT / "docs" / "reliability.md"
START, END = "<!-- faults: written by make faults ARGS=--publish -->", "<!-- faults: end -->"


@dataclass
class Result:
    """The outcome of one scenario."""

    letter: str
    name: str
    claim: str
    form: str  # full or short
    started: str
    seconds: float
    versions: dict[str, str]
    counts: dict[str, int | float | str]
    failures: list[str]


def write(path: Path, results: list[Result], *, keep_others: bool) -> dict[str, Any]:
    """Write the report, keep what it says about scenarios that were not played if told to, and return it."""
    found = {result["name"]: result for result in json.loads(path.read_text())["results"]} if keep_others else {}
    found |= {result.name: asdict(result) for result in results}
    in_order = sorted(found.values(), key=lambda result: (result["letter"], result["name"]))
    document = {"passed": not any(result["failures"] for result in in_order), "results": in_order}
    path.write_text(json.dumps(document, indent=2) + "\n")
    return document


def versions(postgresql: str, pgbouncer: str) -> dict[str, str]:
    return {"python": platform.python_version(), "postgresql": postgresql, "pgbouncer": pgbouncer}


def table(document: dict[str, Any]) -> str:
    """Return the report as a table in Markdown."""
    lines = ["| | claim | counted | |", "|---|---|---|---|"]
    for result in document["results"]:
        counts = "<br>".join(f"{name}: {_number(value)}" for name, value in result["counts"].items())
        verdict = "✗" if result["failures"] else "✓"
        lines.append(f"| ({result['letter']}) | {result['claim']} | {counts} | {verdict} |")
    return "\n".join(lines)


def publish(document: dict[str, Any]) -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text().partition(START)
    PAGE.write_text(f"{before}{START}\n{table(document)}\n{END}{rest.partition(END)[2]}")


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
