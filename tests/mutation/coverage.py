"""Which tests reach a line: coverage counts them once, test by test, and every mutant is tried with its own."""

import subprocess
import sys
from pathlib import Path
from typing import Self

from coverage import CoverageData

# A migration runs before the first test, in nobody's name. These are the ones that what it makes must answer to.
MIGRATIONS_TESTS = (
    "fence", "privileges", "grants", "audit", "idempotency", "tokens", "passwords", "tasks", "batch", "search",
    "lists", "limits", "erase", "replica", "reset", "trash", "migrations", "matrix",
)  # fmt: skip
# With more of them, their files: naming thousands would take longer than running the rest of the files.
_NAMED = 60


class Coverage:
    """The tests of each line of each file."""

    def __init__(self, folder: Path, data: CoverageData) -> None:
        self._folder = folder
        self._data = data
        self._files = {Path(name).as_posix(): name for name in data.measured_files()}

    @classmethod
    def measure(cls, folder: Path, files: list[str]) -> Self:
        """Run what will be run, on the unbroken copy, where it must pass: else each break would seem noticed."""
        print("First the tests without any break, to see that they pass and which reach what.", flush=True)
        only_migrations = all("migrations" in file for file in files)
        chosen = migrations_tests(folder) if only_migrations else ["-m", "not long"]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "auto",
            "--dist",
            "loadfile",
            "-p",
            "tests.support.progress",
        ]
        counted = ["--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"]
        if subprocess.run([*command, *counted, *chosen], cwd=folder, check=False).returncode:
            raise SystemExit("The tests fail without any break. Mend that first.")
        data = CoverageData(str(folder / ".coverage"))
        data.read()
        return cls(folder, data)

    def tests_of(self, file: str, line: int) -> list[str]:
        """Return the tests that reach a line, the fewest that say so; none where no test does."""
        if "migrations" in file:
            return migrations_tests(self._folder)
        lines = self._data.contexts_by_lineno(self._files.get(file, file))
        tests = sorted({context.partition("|")[0] for context in lines.get(line, []) if context})
        return tests if len(tests) <= _NAMED else sorted({test.partition("::")[0] for test in tests})


def migrations_tests(folder: Path) -> list[str]:
    names = [f"tests/test_{name}.py" for name in MIGRATIONS_TESTS]
    return [name for name in names if (folder / name).exists()]
