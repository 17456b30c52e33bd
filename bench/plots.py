"""The results as pictures. Grey text and no background, so that they read on light pages and on dark ones."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from bench import peers
from bench.ratios import Cells, series

_INK = "#808790"  # as far from white as from black
_COLOURS = {
    "ours": "#2f6fed",
    "sqlmodel": "#e0803c",
    "ninja": "#b05fc4",
    "fastify": "#c9a227",
    "go": "#4fb3d1",
    "floor": "#3aa17e",
}
_STYLE = {
    "svg.hashsalt": "bench",  # the same results give the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}


def write(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write the pictures that the results have figures for, and return their paths."""
    cells = results["compare"]["cells"]
    counts = sorted({int(cell["connections"]) for cell in cells})
    middle = 32 if 32 in counts else counts[0]
    with plt.rc_context(_STYLE):
        return [
            _bars(
                cells,
                middle,
                "requests_per_second",
                f"Requests per second, {middle} connections",
                folder / "requests.svg",
            ),
            _bars(cells, middle, "server_cpu_us", "Server CPU per request, µs (less is better)", folder / "cpu.svg"),
            _bars(
                cells,
                counts[-1],
                "p99_ms",
                f"99th percentile, {counts[-1]} connections, ms (less is better)",
                folder / "p99.svg",
            ),
        ]


def _bars(cells: Cells, connections: int, name: str, title: str, path: Path) -> Path:
    kinds = [kind for kind in dict.fromkeys(cell["operation"] for cell in cells) if kind != "batch"]
    shown = [peer for peer in _COLOURS if any(cell["peer"] == peer for cell in cells)]
    figure, axes = plt.subplots(figsize=(8.6, 3.2))
    width = 0.8 / max(1, len(shown))
    for place, peer in enumerate(shown):
        found = [(at, series(cells, peer, kind, connections, name).spread()) for at, kind in enumerate(kinds)]
        bars = [(at + (place - (len(shown) - 1) / 2) * width, value) for at, value in found if value is not None]
        heights = [value.median for _, value in bars]
        spreads = [[v.median - v.low for _, v in bars], [v.high - v.median for _, v in bars]]
        axes.bar(
            [at for at, _ in bars],
            heights,
            width * 0.92,
            label=peers.ALL[peer].title,
            color=_COLOURS[peer],
            yerr=spreads,
            error_kw={"ecolor": _INK, "elinewidth": 1},
        )
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_title(title)
    axes.grid(axis="y", color=_INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.legend(ncols=len(shown), loc="upper left", bbox_to_anchor=(0, -0.1), fontsize=9)
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path
