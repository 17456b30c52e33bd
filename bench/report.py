"""From results to docs/performance.md: plots, and a block of Markdown whose every number comes from the JSON file."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import goals, peers, ratios, tables
from bench.errors import BenchError
from bench.peers import ROOT
from bench.ratios import Cells, Series, Spread, series, spread

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PLANS = "plans.txt"
_PEER = "sqlmodel"
_SLOWEST_PAGES = 8
_MIDDLE = 32
_TIMES = ("server_cpu_us", "database_cpu_us", "all_cpu_us", "requests_per_second")
_PICTURES = {
    "requests": "Requests per second of each server, by operation",
    "cpu": "Processor time per request of each server, by operation",
    "p99": "The slowest hundredth of requests of each server, by operation",
}


def write(path: Path, page: Path = PAGE) -> None:
    """Write the plots beside the results, and the block into the page. Raises BenchError."""
    results = read(path)
    from bench import plots  # matplotlib takes a second to import, and only this needs it

    pictures = plots.write(results, path.parent)
    if "scale" in results:
        (path.parent / PLANS).write_text(plans(results["scale"]["plans"]), encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    page.write_text(replaced(text, markdown(results, pictures)), encoding="utf-8")
    print(f"Wrote {', '.join(picture.name for picture in pictures)} and the block in {page.name}.")


def read(path: Path) -> dict[str, Any]:
    """Read a file of results. Raises BenchError."""
    try:
        results: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        results = None
    if not isinstance(results, dict) or not results.get("compare", {}).get("cells"):
        raise BenchError(f"{path} holds no results of a comparison")
    return results


def replaced(text: str, block: str) -> str:
    """Return a text with the block between its two marks. Raises BenchError where they are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"{PAGE.name} lacks the marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def markdown(results: dict[str, Any], pictures: Sequence[Path]) -> str:
    """Return the block: what it was measured on, pictures, tables, goals."""
    cells = results["compare"]["cells"]
    parts = [
        _setting(results),
        "\n".join(f"![{_PICTURES[picture.stem]}]({_relative(picture)})" for picture in pictures),
        "Ours to FastAPI + SQLModel, medians of the rounds and their spread; more than 1 is in our favour:",
        _ratios(cells),
        "Processor time for each request, in µs: the process's, PostgreSQL's, and both; medians and their spread:",
        _processor_times(cells),
        _others(results),
        f"{tables.generator(cells).capitalize()}.",
        _goals(results),
        _scale(results),
        _pages(results),
    ]
    return "\n\n".join(part for part in parts if part)


def _relative(path: Path) -> str:
    resolved = path.resolve()
    return f"../{resolved.relative_to(ROOT)}" if resolved.is_relative_to(ROOT) else str(resolved)


def _setting(results: dict[str, Any]) -> str:
    machine, versions, options = results["machine"], results["versions"], results["options"]
    return (
        f"Measured on {results['started'][:10]} at {versions['commit']}: {machine['processor']},"
        f" {machine['processors']} processors, PostgreSQL {results['postgres']['server_version']},"
        f" Python {versions['python']}, {int(options['users']):,} users, {int(options['tasks']):,} tasks,"
        f" {options['workers']} worker each, {options['rounds']} rounds of {options['seconds']} s."
        f" FastAPI {versions['fastapi']}, SQLModel {versions['sqlmodel']}, asyncpg {versions['asyncpg']},"
        f" uvicorn {versions['uvicorn']} for all Python.{_others_versions(versions)}"
    )


def _others_versions(versions: dict[str, str]) -> str:
    """Return with what the peers that are no Python were run."""
    node, go = versions.get("node"), versions.get("go")
    found = [f"Fastify {versions['fastify']} and postgres.js {versions['postgres.js']} on Node {node}"] if node else []
    return "".join(f" {line}." for line in (*found, *([f"Go {go}"] if go else [])))


def _ratios(cells: Cells) -> str:
    counts = sorted({int(cell["connections"]) for cell in cells})
    many = [count for count in counts if count > 1]
    columns = [
        *(f"requests/s, {count} conn." for count in counts),
        *(f"CPU per request, {count} conn." for count in counts),
        *(f"p99, {count} conn." for count in many),
        *(f"CPU to the floor, {count} conn." for count in counts),
    ]
    lines = []
    for kind in dict.fromkeys(cell["operation"] for cell in cells):
        get = _Getter(cells, kind)
        values = [
            *(
                get("ours", "requests_per_second", count).over(get(_PEER, "requests_per_second", count))
                for count in counts
            ),
            *(get(_PEER, "server_cpu_us", count).over(get("ours", "server_cpu_us", count)) for count in counts),
            *(get(_PEER, "p99_ms", count).over(get("ours", "p99_ms", count)) for count in many),
            *(get("ours", "server_cpu_us", count).over(get("floor", "server_cpu_us", count)) for count in counts),
        ]
        if kind != "batch":
            lines.append([kind, *map(_cell, values)])
    return table(["operation", *columns], lines)


class _Getter:
    """Series of one operation, by peer, figure and connections."""

    def __init__(self, cells: Cells, operation: str) -> None:
        self._cells = cells
        self._operation = operation

    def __call__(self, peer: str, name: str, connections: int) -> Series:
        return series(self._cells, peer, self._operation, connections, name)


def _processor_times(cells: Cells) -> str:
    """Return the time in the process, in PostgreSQL and in both, of every server, at the connections of the goals."""
    counts = sorted({int(cell["connections"]) for cell in cells})
    count = _MIDDLE if _MIDDLE in counts else counts[0]
    names = [name for name, peer in peers.ALL.items() if not peer.is_ceiling and name in ratios.measured_peers(cells)]
    lines = []
    for kind in dict.fromkeys(cell["operation"] for cell in cells if cell["operation"] != "batch"):
        get = _Getter(cells, kind)
        for name in names:
            found = [get(name, figure, count).spread() for figure in _TIMES]
            lines.append([kind, peers.ALL[name].title, *(_cell(value, digits=0) for value in found)])
    titles = ["process", "PostgreSQL", "both", "requests/s"]
    return table([f"operation, {count} conn.", "server", *titles], lines)


def _others(results: dict[str, Any]) -> str:
    """Return memory, start and idle cost of each server."""
    memory, at_end = (results["compare"][name] for name in ("memory", "memory_at_end"))
    starts = results.get("start", {}).get("starts", [])
    lines = []
    for name, used in memory.items():
        own = [start for start in starts if start["peer"] == name]
        lines.append(
            [
                peers.ALL[name].title,
                _memory(used),
                _memory(at_end[name]),
                _cell(spread(start["seconds"] for start in own), " s"),
                _cell(spread(start["idle_cpu_ms_per_second"] for start in own), " ms/s"),
            ]
        )
    titles = [
        "memory after load (RSS, PSS)",
        "after batches as well, and at the end",
        "start to first answer",
        "idle CPU",
    ]
    return table(["server", *titles], lines)


def _memory(used: dict[str, int]) -> str:
    return f"{used['rss'] / 2**20:.0f}, {used['pss'] / 2**20:.0f} MiB"


def plans(found: dict[str, dict[str, list[str]]]) -> str:
    """Return PostgreSQL's plans of our requests, as auto_explain has logged them, on each size of table."""
    parts = []
    for tasks, of_operations in found.items():
        for operation, entries in of_operations.items():
            parts += [f"==== {operation}, {int(tasks):,} tasks\n", *(f"{entry.rstrip()}\n" for entry in entries)]
    return "\n".join(parts)


def _scale(results: dict[str, Any]) -> str:
    if "scale" not in results:
        return ""
    sizes = " and ".join(f"{int(tasks):,}" for tasks in results["scale"]["plans"])
    link = f"[What PostgreSQL does for each operation](../bench/results/{PLANS})"
    return f"{link} with {sizes} tasks: its plans."


def _pages(results: dict[str, Any]) -> str:
    """Return the slowest of the admin's pages."""
    found = results.get("admin", {}).get("pages", [])
    timed = sorted(((spread(page["ms"]), page) for page in found), key=lambda pair: -_median(pair[0]))
    if not timed:
        return ""
    lines = [[page["page"], _cell(time, " ms"), str(page["queries"])] for time, page in timed[:_SLOWEST_PAGES]]
    head = f"The slowest of the admin's {len(found)} pages, wall time in Django and PostgreSQL:"
    return f"{head}\n\n{table(['page', 'time', 'queries'], lines)}"


def _median(found: Spread | None) -> float:
    return found.median if found else 0.0


def _goals(results: dict[str, Any]) -> str:
    """Return how many goals are met, those that the first table does not show, and all that are missed."""
    found = [goal for goal in goals.goals(results) if goal.measured is not None]
    shown = [goal for goal in found if goal in goals.of_the_rest(results) or not goal.is_met]
    lines = [
        [
            goal.name,
            f"{'≥' if goal.at_least else '≤'} {goal.bound:.3g}",
            _cell(goal.measured),
            "met" if goal.is_met else "**missed**",
        ]
        for goal in shown
    ]
    met = sum(goal.is_met is True for goal in found)
    return (
        f"{met} of {len(found)} goals are met. Those that are not, and all that the first table does not show:\n\n"
        + table(["ratio", "goal", "measured", ""], lines)
    )


def _cell(value: Spread | None, unit: str = "", digits: int | None = None) -> str:
    """Return a median and its spread; with two figures that count, or with so many digits after the point."""
    if value is None:
        return "–"
    figures = value.median, value.low, value.high
    median, low, high = (_number(figure) if digits is None else f"{figure:,.{digits}f}" for figure in figures)
    return f"{median}{unit} ({low}–{high})"


def _number(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.2g}"


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rule = ["---", *("--:" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, rule, *lines))
