"""The results as tables for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import peers, ratios
from bench.ratios import Cells, Spread


def show(results: dict[str, Any], console: Console) -> None:
    """Print what was measured."""
    cells = results["compare"]["cells"]
    for title, name, unit in (
        ("requests/s", "requests_per_second", 0),
        ("server CPU per request, µs", "server_cpu_us", 0),
        ("database CPU per request, µs", "database_cpu_us", 0),
        ("p99, ms", "p99_ms", 1),
    ):
        console.print(_figures(cells, title, name, unit))
    console.print(_ratios(cells))
    console.print(_memory(results["compare"]["memory"]))
    busiest = max((cell["generator_busy"] for cell in cells), default=0)
    console.print(f"load generator: at most {busiest:.0%} of one processor")


def _measured(cells: Cells) -> list[str]:
    return [name for name in peers.ALL if any(cell["peer"] == name for cell in cells)]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim")
    table.add_column("operation")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _figures(cells: Cells, title: str, name: str, digits: int) -> Table:
    names = _measured(cells)
    table = _table(title, ["conn.", *(peers.ALL[peer].title for peer in names)])
    for operation, connections in ratios.rows(cells):
        found = (ratios.figure(cells, peer, operation, connections, name) for peer in names)
        table.add_row(operation, str(connections), *(_number(value, digits) for value in found))
    return table


def _ratios(cells: Cells) -> Table:
    table = _table("ours to others", ["conn.", "rps × SQLModel", "CPU SQLModel ×", "p99 SQLModel ×", "CPU to floor ×"])
    for operation, connections in ratios.rows(cells):
        key = (operation, connections)
        table.add_row(
            operation,
            str(connections),
            _number(ratios.ratio(cells, "ours", "sqlmodel", *key, "requests_per_second"), 1),
            _number(ratios.ratio(cells, "sqlmodel", "ours", *key, "server_cpu_us"), 1),
            _number(ratios.ratio(cells, "sqlmodel", "ours", *key, "p99_ms"), 1),
            _number(ratios.ratio(cells, "ours", "floor", *key, "server_cpu_us"), 1),
        )
    return table


def _memory(memory: dict[str, dict[str, int]]) -> Table:
    table = _table("memory after load, MiB", ["RSS", "PSS", "USS"])
    for name, used in memory.items():
        table.add_row(peers.ALL[name].title, *(f"{used[kind] / 2**20:.0f}" for kind in ("rss", "pss", "uss")))
    return table


def _number(value: Spread | None, digits: int) -> str:
    if value is None:
        return "–"
    return f"{value.median:,.{digits}f} [dim]{value.low:,.{digits}f}–{value.high:,.{digits}f}[/]"
