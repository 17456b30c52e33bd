"""A run says how far it is, what failed, and how long each kind took."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kinds import KINDS, LONG_KINDS, OTHERS, kind_of
from tests.support.processes.servers import ROOT

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_number(number):
    assert number != 7

@pytest.mark.fuzz
def test_fuzz(): pass
"""


def play(folder: Path, *options: str, code: int | None = 1) -> str:
    """Run tests of which one fails, with the plugin and nothing else of ours; return what it prints.

    `code` is the exit code that is right, None where any but 0 is.
    """
    (folder / "test_numbers.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = fuzz: x\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.progress", "-p", "no:cacheprovider", *options]
    finished = subprocess.run(
        [*command, "--rootdir", str(folder), "-c", str(folder / "pytest.ini"), str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == code or (code is None and finished.returncode), finished.stdout + finished.stderr
    return finished.stdout if code else finished.stdout + finished.stderr


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_progress_failure_and_kinds_are_told(tmp_path: Path, options: tuple[str, ...]) -> None:
    output = play(tmp_path, *options)

    lines = [line for line in output.splitlines() if " of 21 tests" in line]
    assert 5 <= len(lines) <= 10
    assert lines[-1].startswith("21 of 21 tests, 1 failed, ")
    assert "FAILED test_numbers.py::test_number[7]" in output.partition("21 of 21")[0]  # when it happens
    assert "1 failed, 20 passed" in output
    assert [line.split()[:2] for line in output.splitlines() if line.startswith(("fuzz", OTHERS))]


BREAKS = {
    "its end": "def pytest_sessionfinish(): raise SystemError('AST constructor recursion depth mismatch')",
    "its summary": "def pytest_terminal_summary(): raise SystemError('AST constructor recursion depth mismatch')",
    "a report": """
def pytest_runtest_logfinish(nodeid):
    if nodeid.endswith("[9]"): raise SystemError('AST constructor recursion depth mismatch')
""",
}


@pytest.mark.parametrize("broken", BREAKS)
def test_what_failed_is_told_though_a_plugin_breaks_the_run(tmp_path: Path, broken: str) -> None:
    (tmp_path / "conftest.py").write_text(BREAKS[broken])

    output = play(tmp_path, code=None)

    assert "assert 7 != 7" in output
    assert output.count("FAILED test_numbers.py::test_number[7]") >= 2  # when it happens, and below the last traceback
    assert "AST constructor recursion depth mismatch" in output


def test_each_kind_of_test_has_a_mark_that_pytest_knows(pytestconfig: pytest.Config) -> None:
    known = {line.split(":")[0] for line in pytestconfig.getini("markers")}

    assert {*KINDS, "long"} <= known
    assert set(KINDS) == LONG_KINDS


@pytest.mark.parametrize(
    ("marks", "kind"),
    [({"fuzz", "slow"}, "fuzz"), ({"faults", "slow"}, "slow"), ({"faults"}, "faults"), (set(), OTHERS)],
)
def test_test_counts_as_the_first_kind_it_is_of(marks: set[str], kind: str) -> None:
    assert kind_of(marks) == kind


def test_what_plays_long_is_left_to_the_long_run() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/clients/test_clients.py"]
    command.append("tests/project/test_requirements.py")

    short = subprocess.check_output([*command, "-m", "not long"], cwd=ROOT, text=True)
    long = subprocess.check_output([*command, "-m", "long"], cwd=ROOT, text=True)

    assert "test_clients.py::" not in short
    assert "test_requirements.py::" in short
    assert "test_clients.py::" in long
    assert "test_requirements.py::" not in long
