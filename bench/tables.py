"""The results as tables for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import database, doors, goals, peers, ratios
from bench.goal import Goal
from bench.ratios import Cells, Spread, series, spread

_FIGURES = (
    ("requests/s", "requests_per_second", 0),
    ("server CPU per request, µs", "server_cpu_us", 0),
    ("database CPU per request, µs", "database_cpu_us", 0),
    ("server and database CPU per request, µs", "all_cpu_us", 0),
    ("p50, ms", "p50_ms", 1),
    ("p99, ms", "p99_ms", 1),
)

_GENERATOR = ("generator_cpu_us", "requests_per_second")


def show(results: dict[str, Any], console: Console) -> None:
    """Print what was measured."""
    if "compare" in results:
        mix = [cell for cell in results["compare"]["cells"] if cell["operation"] == "mix"]
        console.print(_figures(mix, "what a user would look at: requests/s of the mix", "requests_per_second", 0))
        for title, name, digits in _FIGURES:
            console.print(_figures(results["compare"]["cells"], title, name, digits))
        console.print(_limits(results["compare"]["limits"]))
        console.print(_memory("memory after load, MiB", results["compare"]["memory"]))
        console.print(_memory("memory at the end, after batches as well, MiB", results["compare"]["memory_at_end"]))
        console.print(generator(results["compare"]["cells"]), highlight=False)
    if results.get("database"):
        console.print(_parts(results["database"]))
    if "start" in results:
        console.print(_starts(results["start"]["starts"]))
    if "login" in results:
        console.print(_storms(results["login"]["storms"]))
    if "members" in results:
        console.print(_members(results["members"]["cells"]))
    if "owner" in results:
        console.print(_owner(results["owner"]))
    if "feed" in results:
        console.print(_feed(results["feed"]))
    if "doors" in results:
        console.print(_doors(results["doors"]["cells"]))
    if "streams" in results:
        console.print(_streams(results["streams"]))
    if "webhooks" in results:
        console.print(_webhooks(results["webhooks"]))
    if "scale" in results:
        console.print(_scale(results["scale"]["cells"]))
    if "admin" in results:
        console.print(_pages(results["admin"]["pages"]))
    if "migrate" in results:
        console.print(_migration(results["migrate"]))
    if found := goals.goals(results):
        console.print(_goals(found))


def generator(cells: Cells) -> str:
    """Say how much the load generator had left, so that it was not what was measured."""
    empty = [cell for cell in cells if cell["peer"] == "hello"]
    others = [cell for cell in cells if cell["peer"] != "hello"]
    text = f"load generator: at most {max((cell['generator_busy'] for cell in others), default=0):.0%} of one processor"
    if not empty or not others:
        return text
    cost, ceiling = (max(empty, key=lambda cell: float(cell["requests_per_second"]))[name] for name in _GENERATOR)
    fastest = max(cell["requests_per_second"] for cell in others)
    return (
        f"{text}; {cost:.0f} µs for an empty answer, of which there are {ceiling:,.0f}/s,"
        f" and at most {fastest:,.0f}/s of the others"
    )


def number(value: Spread | None, digits: int) -> str:
    """Return a median with its spread."""
    if value is None:
        return "–"
    return f"{value.median:,.{digits}f} [dim]{value.low:,.{digits}f}–{value.high:,.{digits}f}[/]"


def _table(title: str, columns: Sequence[str], first: str = "operation") -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _title(peer: str) -> str:
    return peers.ALL[peer].title if peer in peers.ALL else peer


def _figures(cells: Cells, title: str, name: str, digits: int) -> Table:
    names = [peer for peer in peers.ALL if any(cell["peer"] == peer for cell in cells)]
    table = _table(title, ["conn.", *map(_title, names)])
    for operation, connections in ratios.rows(cells):
        found = (series(cells, peer, operation, connections, name).spread() for peer in names)
        table.add_row(operation, str(connections), *(number(value, digits) for value in found))
    return table


def _limits(limits: list[dict[str, Any]]) -> Table:
    table = _table(
        "PostgreSQL's own limit for our statements (pgbench)", ["conn.", "transactions/s", "database CPU, µs"]
    )
    for operation, connections in dict.fromkeys((limit["operation"], limit["connections"]) for limit in limits):
        own = [limit for limit in limits if (limit["operation"], limit["connections"]) == (operation, connections)]
        rate, cpu = (spread(limit[name] for limit in own) for name in ("transactions_per_second", "database_cpu_us"))
        table.add_row(operation, str(connections), number(rate, 0), number(cpu, 0))
    return table


def _parts(found: dict[str, Any]) -> Table:
    table = _table("parts of PostgreSQL's time, µs: median and middle half", [*found["microseconds"]], "part")
    for part, values in database.rows(found):
        cells = ((values[name], 0) if name in values else None for name in found["microseconds"])
        table.add_row(part, *("–" if cell is None else number(Spread(*cell[0]), cell[1]) for cell in cells))
    return table


def _memory(title: str, memory: dict[str, dict[str, int]]) -> Table:
    table = _table(title, ["RSS", "PSS", "USS"], "server")
    for name, used in memory.items():
        table.add_row(_title(name), *(f"{used[kind] / 2**20:.0f}" for kind in ("rss", "pss", "uss")))
    return table


def _starts(starts: list[dict[str, Any]]) -> Table:
    table = _table("start to first answer, and idle", ["start, s", "idle CPU, ms/s", "RSS, MiB", "PSS, MiB"], "server")
    for name in dict.fromkeys(start["peer"] for start in starts):
        own = [start for start in starts if start["peer"] == name]
        memory = (spread(start[kind] / 2**20 for start in own) for kind in ("rss", "pss"))
        values = (spread(start[kind] for start in own) for kind in ("seconds", "idle_cpu_ms_per_second"))
        table.add_row(_title(name), *(number(value, 2) for value in values), *(number(value, 0) for value in memory))
    return table


def _storms(storms: list[dict[str, Any]]) -> Table:
    columns = {
        "p99 alone, ms": "alone_p99_ms",
        "beside, ms": "beside_p99_ms",
        "requests/s alone": "alone_requests_per_second",
        "beside": "beside_requests_per_second",
        "logins/s": "logins_per_second",
    }
    table = _table("get beside a login storm", list(columns), "server")
    for name in dict.fromkeys(storm["peer"] for storm in storms):
        own = [storm for storm in storms if storm["peer"] == name and not storm["errors"]]
        table.add_row(_title(name), *(number(spread(storm[kind] for storm in own), 0) for kind in columns.values()))
    return table


def _members(cells: Cells) -> Table:
    columns = ["conn.", *(f"{title}: {figure}, µs" for figure in ("CPU", "database CPU") for title in ("none", "full"))]
    table = _table("five labels and two reminders on each task", columns)
    for operation, connections in ratios.rows(cells):
        found = (
            series(cells, peer, operation, connections, name).spread()
            for name in ("server_cpu_us", "database_cpu_us")
            for peer in ("ours", "full")
        )
        table.add_row(operation, str(connections), *(number(value, 0) for value in found))
    return table


def _owner(found: dict[str, Any]) -> Table:
    cells = found["cells"]
    table = _table(f"an owner with {found['tasks']:,} tasks", ["p50, ms", "database CPU, µs"])
    for operation, connections in ratios.rows(cells):
        values = [series(cells, "owner", operation, connections, name) for name in ("p50_ms", "database_cpu_us")]
        table.add_row(operation, number(values[0].spread(), 1), number(values[1].spread(), 0))
    return table


def _feed(found: dict[str, Any]) -> Table:
    table = _table(
        f"following an account of {found['tasks']:,} tasks: {min(found['sync_seconds']):.2f} s from nothing",
        ["p50, ms", "server CPU, µs", "database CPU, µs"],
    )
    for operation, connections in ratios.rows(found["cells"]):
        names = (("p50_ms", 1), ("server_cpu_us", 0), ("database_cpu_us", 0))
        values = [(series(found["cells"], "owner", operation, connections, name), digits) for name, digits in names]
        table.add_row(operation, *(number(value.spread(), digits) for value, digits in values))
    return table


def _doors(cells: Cells) -> Table:
    names = ("server_cpu_us", "database_cpu_us")
    columns = ["server CPU, µs", "database CPU, µs", "held to", "server CPU to its", "database CPU to its"]
    table = _table("through the doors", columns)
    titles = {door.name: door for door in doors.DOORS}
    for operation, connections in ratios.rows(cells):
        own = [series(cells, doors.PEER.name, operation, connections, name) for name in names]
        figures = [number(each.spread(), 0) for each in own]
        if (door := titles.get(operation)) is None:
            table.add_row(operation, *figures)
            continue
        ours = [series(cells, doors.PEER.name, door.ours, connections, name) for name in names]
        over = [number(each.over(other), 2) for each, other in zip(own, ours, strict=True)]
        table.add_row(door.title, *figures, door.ours, *over)
    return table


def _streams(found: dict[str, Any]) -> Table:
    told, idle = found["told"], found["idle"]
    table = _table("open streams", ["figure"], "what")
    table.add_row(
        f"{told['streams']:,} streams, {told['writes_per_second']} writes a second: p50, ms", f"{told['p50_ms']:.1f}"
    )
    table.add_row("p99, ms", f"{told['p99_ms']:.1f}")
    table.add_row("server CPU, of one processor", f"{told['server_cpu_share']:.0%}")
    table.add_row(f"{idle['streams']:,} streams that are told nothing: KiB each", f"{idle['kib_each']:.1f}")
    table.add_row("server CPU, of one processor", f"{idle['server_cpu_share']:.1%}")
    table.add_row("transactions a second", f"{idle['transactions_per_second']:.1f}")
    return table


def _webhooks(found: dict[str, Any]) -> Table:
    table = _table("webhooks", ["figure"], "what")
    for hooks in sorted({int(rate["hooks"]) for rate in found["rates"]}):
        rates = [rate for rate in found["rates"] if rate["hooks"] == hooks]
        table.add_row(f"{hooks} hooks: deliveries/s", number(spread(rate["per_second"] for rate in rates), 0))
        table.add_row("CPU of the process for each, µs", number(spread(rate["cpu_us"] for rate in rates), 0))
    for name, words in (("alone", "answer to event"), ("beside", f"beside {found['delays']['hanging']} that hang")):
        delays = found["delays"][name]
        table.add_row(f"{words}: p50 and longest, ms", f"{delays['p50_ms']:.0f}, {delays['max_ms']:.0f}")
    return table


def _migration(found: dict[str, Any]) -> Table:
    title = (
        f"migrate, {found['tasks']:,} tasks: {found['seconds']:.0f} s; a client waited {found['wait_ms']:.0f} ms at"
        f" most, {found['alone_ms']:.0f} before"
    )
    table = _table(title, ["s", "longest lock, ms", "longest wait, ms", "lock"], "migration")
    for step in found["steps"]:
        figures = (f"{step['seconds']:.1f}", f"{step['lock_ms']:.0f}", f"{step['wait_ms']:.0f}")
        table.add_row(step["name"], *figures, step["lock"])
    return table


def _scale(cells: Cells) -> Table:
    sizes = sorted({cell["tasks"] for cell in cells})
    table = _table(
        "a larger table", ["conn.", *(f"{tasks:,}: p50, ms" for tasks in sizes), *("database CPU, µs" for _ in sizes)]
    )
    for operation, connections in ratios.rows(cells):
        values = []
        for name, digits in (("p50_ms", 2), ("database_cpu_us", 0)):
            for tasks in sizes:
                own = [cell for cell in cells if cell["tasks"] == tasks]
                values.append(number(series(own, own[0]["peer"], operation, connections, name).spread(), digits))
        table.add_row(operation, str(connections), *values)
    return table


def _pages(pages: list[dict[str, Any]]) -> Table:
    table = _table("the admin's pages", ["queries", "ms"], "page")
    for page in pages:
        table.add_row(page["page"], str(page["queries"]), number(spread(page["ms"]), 0))
    return table


def _goals(found: list[Goal]) -> Table:
    table = _table("goals", ["wanted", "measured", ""], "ratio")
    for goal in found:
        if goal.measured is not None:
            wanted = f"{'≥' if goal.at_least else '≤'} {goal.bound:.3g}"
            table.add_row(goal.name, wanted, number(goal.measured, 2), "[green]met" if goal.is_met else "[red]missed")
    return table


def show_profile(found: dict[str, Any], console: Console) -> None:
    """Print where a server's time goes."""
    title = f"{_title(found['peer'])}, {found['operation']}: {found['samples']} samples"
    for name in ("packages", "functions"):
        table = _table(title, ["share"], name.removesuffix("s"))
        for place, share in found[name][:25]:
            table.add_row(place, f"{share:.1%}")
        console.print(table)
