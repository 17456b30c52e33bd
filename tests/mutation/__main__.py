"""Take a sample of breaks, run the tests that cover each, and report what nobody noticed: `make mutants`."""

import argparse
import ast
import queue
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mutation import ROOT, python, sql
from tests.mutation.coverage import Coverage
from tests.mutation.python import Mutant
from tests.mutation.report import Report
from tests.mutation.slot import Slot

PACKAGES = ("todoproject", "accounts", "tasks", "doors")
_NOT_OURS_TO_BREAK = ("__pycache__", "static", "templates")
# The tests most likely to notice come first, and alone: nearly every break ends there.
_FIRST, _FIRST_FILES = 40, 4
# For the first tests of a mutant, and as much again for the rest. What takes longer may hang or only be slow: a person
# looks at it.
_SECONDS = 150.0
_NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED  # a file that only plays long
_NAMED = 400  # with more tests than this their files are named: a command line has an end
# What the database has by its migrations and a model only repeats: `make test` compares the two without any test.
_REPEATED_BY_MODELS = ("constraint left out", "index left out")


def main() -> int:
    """Return 0 where every break was noticed, 1 where one was not, or not for certain."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whoever ends it leaves no server behind
    chosen = sample(find(options.paths or list(PACKAGES)), options.count, options.seed)
    report = Report(options.json, chosen, goes_on=options.go_on)
    with tempfile.TemporaryDirectory(prefix="todo-mutants-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)
        slots = [stack.enter_context(Slot(Path(folder) / str(number))) for number in range(options.jobs)]
        coverage = _coverage(slots[0].project, options)
        slots[0].check()
        Trial(report, coverage, options.seconds, options.minutes).run(slots)
    report.show()
    return 1 if report.outcomes & {"survived", "not in time"} else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or folders to break (todoproject accounts tasks doors)")
    parser.add_argument("--count", type=int, default=100, help="the size of the sample (100)")
    parser.add_argument("--seed", type=int, default=1, help="another sample (1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at once (2)")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="for the first tests of one, and for the rest")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after so many no other one is begun")
    parser.add_argument("--tests", action="append", default=[], help="only these tests; again for more (all but long)")
    parser.add_argument("--coverage", type=Path, help="where it is kept which test reaches what, for the next run")
    parser.add_argument("--json", type=Path, default=Path("mutants.json"), help="where the report goes (mutants.json)")
    parser.add_argument("--go-on", action="store_true", help="try only what the report of a run that was ended lacks")
    return parser.parse_args()


def _coverage(project: Path, options: argparse.Namespace) -> Coverage:
    kept: Path = options.coverage or project.parent / "coverage"
    return Coverage.read(kept) if kept.exists() else Coverage.measure(project, options.tests, kept)


class Trial:
    """Mutants that wait to be tried, and what has become of the others."""

    def __init__(self, report: Report, coverage: Coverage, seconds: float, minutes: float) -> None:
        self._report, self._coverage, self._seconds = report, coverage, seconds
        self._until = time.monotonic() + 60 * minutes
        self._waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()

    def run(self, slots: list[Slot]) -> None:
        """Try all, as many at once as there are slots."""
        waiting = self._report.waiting()
        for mutant in waiting:
            self._waiting.put(mutant)
        tests = {it: self._coverage.tests_of(str(it.path.relative_to(ROOT)), it.line) for it in waiting}
        threads = [threading.Thread(target=self._work, args=[slot, tests], daemon=True) for slot in slots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, slot: Slot, tests: dict[Mutant, list[str]]) -> None:
        while not self._waiting.empty():
            try:
                mutant = self._waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            outcome = self._try(slot, mutant, tests[mutant]) if began < self._until else "not tried"
            self._report.add(mutant, outcome, time.monotonic() - began)

    def _try(self, slot: Slot, mutant: Mutant, tests: list[str]) -> str:
        """Return "noticed", "survived", "not in time" or, where no test is about it, "not covered".

        What plays long comes last, and of that only the files about the broken one.
        """
        if mutant.rule in _REPEATED_BY_MODELS and not slot.models_match(mutant):
            return "noticed"
        long = self._coverage.long_tests_of(str(mutant.path.relative_to(ROOT)))
        count = _FIRST if "::" in "".join(tests[:1]) else _FIRST_FILES
        rest = tests[count:]
        files = sorted({test.partition("::")[0] for test in rest})
        parts = [(tests[:count], False), (rest if len(rest) <= _NAMED else files, False), (long, True)]
        for part, is_long in parts:
            code = slot.try_tests(mutant, part, self._seconds, long=is_long) if part else 0
            if code not in (0, _NO_TESTS):
                return "not in time" if code is None else "noticed"
        return "survived" if tests or long else "not covered"


def find(paths: list[str]) -> list[Mutant]:
    """Return every break of these files; of migrations only those of their SQL."""
    files = [file for path in paths for file in _files(ROOT / path)]
    found = [mutant for file in files if "migrations" not in file.parts for mutant in python.mutants(file)]
    texts = [mutant for file in files for mutant in sql.mutants(file)]
    return found + [mutant for mutant in texts if _is_python(mutant.apply(mutant.path.read_text("utf-8")))]


def _is_python(text: str) -> bool:
    """Tell whether a break can be run at all; what cannot would count as noticed by every test."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.rglob("*.py")) or [path.with_suffix(".py")]
    return [file for file in files if not set(file.parts) & set(_NOT_OURS_TO_BREAK)]


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Choose by chance, with as many of each rule as there is room for: most breaks of Python are of two rules.

    They come rule by rule in turn and not file by file: what a run has tried when it is ended is a fair sample, too.
    """
    chance = random.Random(seed)
    by_rule: dict[str, list[Mutant]] = {}
    for mutant in chance.sample(mutants, len(mutants)):
        by_rule.setdefault(mutant.rule, []).append(mutant)
    rounds = max(map(len, by_rule.values()), default=0)
    in_turn = [group[number] for number in range(rounds) for group in by_rule.values() if number < len(group)]
    return in_turn[:count]


if __name__ == "__main__":
    sys.exit(main())
