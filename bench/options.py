"""The command line."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bench import operations, peers

T = TypeVar("T")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; ends the process with code 2 for a mistake, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure this project against others, on a PostgreSQL of its own.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a first impression in a few minutes: less of everything")
    parser.add_argument("--peers", type=_names(peers.ALL), default=list(peers.ALL.values()), help="who, by name")
    parser.add_argument(
        "--operations", type=_names(operations.ALL), default=list(operations.ALL.values()), help="what, by name"
    )
    parser.add_argument("--connections", type=_numbers, default=[1, 32, 256], help="how many at a time")
    parser.add_argument("--rounds", type=_positive, default=5, help="how often each is measured")
    parser.add_argument("--seconds", type=_positive, default=2, help="how long each time")
    parser.add_argument("--workers", type=_positive, default=1, help="processes of each server")
    parser.add_argument("--users", type=_positive, default=10_000, help="in the database")
    parser.add_argument("--tasks", type=_positive, default=1_000_000, help="in the database")
    parser.add_argument("--json", type=Path, default=Path("bench/results/results.json"), help="where the results go")
    parser.add_argument("--data", type=Path, default=Path(".postgres-bench"), help="where PostgreSQL keeps its data")
    options = parser.parse_args(arguments)
    if options.quick:
        _shorten(parser, options)
    return options


def _shorten(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Give each option that was not given a smaller value."""
    quick = {
        "json": Path("bench/results/quick.json"),
        "connections": [32],
        "rounds": 2,
        "seconds": 1,
        "users": 1000,
        "tasks": 100_000,
    }
    for name, value in quick.items():
        if getattr(options, name) == parser.get_default(name):
            setattr(options, name, value)


def _names(known: Mapping[str, T]) -> Callable[[str], list[T]]:
    def parse(text: str) -> list[T]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name!r}, but {', '.join(known)}")
        return [known[name] for name in dict.fromkeys(names)]

    return parse


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def _numbers(text: str) -> list[int]:
    return [_positive(part.strip()) for part in text.split(",")]
