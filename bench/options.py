"""The command line."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bench import operations, peers

T = TypeVar("T")

RESULTS = Path("bench/results")
PARTS = (
    "compare",
    "database",
    "start",
    "login",
    "members",
    "owner",
    "feed",
    "doors",
    "streams",
    "webhooks",
    "scale",
    "admin",
    "migrate",
)
_EPILOG = """\
also:
  python -m bench report FILE              write the plots and docs/performance.md from results
  python -m bench profile PEER OPERATION   where a server's time goes (with py-spy)
  python -m bench check                    each peer answers each operation right
"""
# What --quick makes of the options that are not given.
_QUICK: Mapping[str, object] = {
    "connections": [32],
    "rounds": 2,
    "seconds": 1,
    "users": 1000,
    "tasks": 100_000,
    "scale": [10_000, 100_000],
    "json": RESULTS / "quick.json",
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; ends the process with code 2 for a mistake, as argparse does."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        for name, value in _QUICK.items():
            if getattr(chosen, name) == parser.get_default(name):
                setattr(chosen, name, value)
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure this project against others, interleaved, on a PostgreSQL of its own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", nargs="*", default=["run"], metavar="report FILE | profile PEER OPERATION | check", help="see below")
    add("--quick", action="store_true", help="a first impression in some minutes: less of everything")
    add("--parts", type=_names({part: part for part in PARTS}), default=list(PARTS), help=f"of {', '.join(PARTS)}")
    every = list(peers.ALL.values())
    add("--peers", type=_names(peers.ALL), default=every, help=f"of {', '.join(peers.ALL)}")
    kinds = list(operations.ALL.values())
    add("--operations", type=_names(operations.ALL), default=kinds, help=f"of {', '.join(operations.ALL)}")
    add("--connections", type=_numbers, default=[1, 32, 256], help="how many at a time (1,32,256)")
    add("--rounds", type=_positive, default=5, help="how often each is measured (5)")
    add("--seconds", type=_positive, default=2, help="how long each time (2)")
    add("--workers", type=_positive, default=1, help="processes of each server (1)")
    add("--users", type=_positive, default=10_000, help="in the database (10000)")
    add("--tasks", type=_positive, default=1_000_000, help="in the database (1000000)")
    add("--scale", type=_numbers, default=[10_000, 5_000_000], help="the two tables of scale (10000,5000000)")
    add("--json", type=Path, default=RESULTS / "results.json", metavar="FILE", help="where the results go")
    add("--data", type=Path, default=Path(".postgres-bench"), metavar="FOLDER", help="where PostgreSQL keeps its data")
    return parser


def _names(known: Mapping[str, T]) -> Callable[[str], list[T]]:
    def parse(text: str) -> list[T]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name!r}, but {', '.join(known)}")
        if not names:
            raise argparse.ArgumentTypeError(f"name some of {', '.join(known)}")
        return [known[name] for name in dict.fromkeys(names)]

    return parse


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to a billion")
    return int(text)


def _numbers(text: str) -> list[int]:
    return [_positive(part.strip()) for part in text.split(",")]
