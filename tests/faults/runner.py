"""Find the scenarios, play them one after another, and report."""

import argparse
import asyncio
import datetime
import importlib
import pkgutil
import sys
import time
from pathlib import Path
from types import ModuleType

from tests.environment import FOLDER
from tests.faults import pooler, report, scenarios
from tests.faults.lab import Lab, Outcome, prepare
from tests.faults.report import Result

_FAILURES_SHOWN = 20


def find_scenarios() -> list[ModuleType]:
    """Return the scenarios in the order of their letters."""
    names = [f"{scenarios.__name__}.{module.name}" for module in pkgutil.iter_modules(scenarios.__path__)]
    return sorted(map(importlib.import_module, names), key=lambda scenario: (scenario.LETTER, scenario.__name__))


def name_of(scenario: ModuleType) -> str:
    return scenario.__name__.rpartition(".")[2]


def main() -> int:
    """Do what the command line says. Return 0: every claim holds; 1: one does not; 2: it could not be played."""
    options = _parse()
    if not sys.platform.startswith("linux") or not pooler.is_installed():
        print("The fault suite needs Linux and PgBouncer (apt install pgbouncer).", file=sys.stderr)
        return 2
    wanted = set(options.only)
    chosen = [it for it in find_scenarios() if not wanted or wanted & {it.LETTER, name_of(it)}]
    results = asyncio.run(_play(chosen, options))
    document = report.write(options.json, results, keep_others=bool(wanted) and options.json.exists())
    if options.publish:
        report.publish(document)
    _tell(results, options.json)
    return 1 if any(result.failures for result in results) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute or two of everything, as in CI")
    parser.add_argument("--only", action="append", default=[], metavar="SCENARIO", help="a letter or a name; again")
    parser.add_argument(
        "--minutes",
        type=float,
        help="of soak and copies (30 each), storm and outage (10 each); short: 0.15",
    )
    parser.add_argument("--json", type=Path, default=Path("faults.json"), help="where the report goes (faults.json)")
    parser.add_argument("--publish", action="store_true", help="make it the report that docs/reliability.md shows")
    options = parser.parse_args()
    options.json = report.PUBLISHED if options.publish else options.json
    return options


async def _play(chosen: list[ModuleType], options: argparse.Namespace) -> list[Result]:
    async with prepare(FOLDER, is_short=options.short, minutes=options.minutes, say=_say) as lab:
        versions = report.versions((await lab.cluster.query("SHOW server_version"))[0][0], pooler.version())
        return [await _play_one(scenario, lab, versions) for scenario in chosen]


async def _play_one(scenario: ModuleType, lab: Lab, versions: dict[str, str]) -> Result:
    print(f"({scenario.LETTER}) {scenario.CLAIM}", flush=True)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    form, started = "short" if lab.is_short else "full", time.monotonic()
    try:
        outcome: Outcome = await scenario.run(lab)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the others are still to be played
        outcome = Outcome(failures=[f"it could not be played to its end: {error!r}"])
        await lab.end_application()
    seconds = round(time.monotonic() - started, 1)
    _say(f"{'DOES NOT HOLD' if outcome.failures else 'holds'}, {seconds} s\n")
    where = (scenario.LETTER, name_of(scenario), scenario.CLAIM)
    return Result(*where, form, now, seconds, versions, outcome.counts, outcome.failures)


def _say(text: str) -> None:
    """Show progress: on a terminal in one line, elsewhere line by line."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K    {text}", end="", flush=True)
    else:
        print(f"    {time.strftime('%X')} {text.rstrip()}", flush=True)


def _tell(results: list[Result], path: Path) -> None:
    for result in results:
        print(f"\n({result.letter}) {result.claim}")
        for name, value in result.counts.items():
            print(f"    {name:<34} {value:,}" if isinstance(value, int | float) else f"    {name:<34} {value}")
        for failure in result.failures[:_FAILURES_SHOWN]:
            print(f"    WRONG: {failure}")
        if len(result.failures) > _FAILURES_SHOWN:
            print(f"    WRONG: and {len(result.failures) - _FAILURES_SHOWN} more")
    print(f"\nWritten to {path}")
