"""The tool that breaks the code on purpose makes the breaks that it says, and only such as can be run."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutation import python, sql
from tests.mutation.__main__ import find, sample
from tests.mutation.coverage import MIGRATIONS_TESTS, Coverage
from tests.mutation.python import Mutant
from tests.mutation.report import NOT_TRIED, Report
from tests.mutation.slot import Slot
from tests.support.processes.servers import ROOT


def broken(folder: Path, text: str) -> set[str]:
    path = folder / "broken.py"
    path.write_text(text)
    return {mutant.apply(text) for mutant in [*python.mutants(path), *sql.mutants(path)]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b < c", "a = (b <= c)"),
        ("a = b in c", "a = (b not in c)"),
        ("a = b and c", "a = ((c))"),
        ("a = not b", "a = (b)"),
        ("limit = 32", "limit = 33"),
        ("a = f(b=True)", "a = f(b=False)"),
        ("if a: b = 'é' < c", "if False: b = 'é' < c"),
        ("'é'; a = b < c", "'é'; a = (b <= c)"),
        ("raise Problem(x)", "pass"),
        ("record(x)", "pass"),
        ('S = "SELECT 1 FROM a WHERE b FOR UPDATE"', 'S = "SELECT 1 FROM a WHERE b"'),
        ('S = """\nGRANT SELECT (a, b) ON c TO d;\n"""', 'S = """\nGRANT SELECT ON c TO d;\n"""'),
        ('S = """\nGRANT INSERT ON c TO d;\n"""', 'S = """\nGRANT ALL ON c TO d;\n"""'),
        ('S = """\nREVOKE ALL ON c FROM d;\n"""', 'S = """\n\n"""'),
        ('S = """\nCREATE INDEX a ON b (c);\n"""', 'S = """\n\n"""'),
        ('S = """\nSELECT 1 FROM a WHERE b = 1\n  AND c = 2\n"""', 'S = """\nSELECT 1 FROM a WHERE b = 1\n"""'),
    ],
)
def test_break_is_made(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in broken(tmp_path, text)


@pytest.mark.parametrize("text", ['"""A docstring."""', "a = f'{b < c}'", "x = 1", "import a"])
def test_what_means_nothing_is_left_alone(tmp_path: Path, text: str) -> None:
    assert broken(tmp_path, text) == set()


def test_breaks_of_the_project_can_be_run_and_are_many() -> None:
    found = find(["accounts", "tasks/queries"])

    assert len(found) > 300
    assert {"row-level security left out", "grant widened to all columns", "lock left out"} <= {it.rule for it in found}
    for mutant in found[:: len(found) // 50]:
        text = mutant.path.read_text("utf-8")
        assert mutant.apply(text) != text
        ast.parse(mutant.apply(text))


def test_what_migrations_make_answers_to_tests_that_are_there() -> None:
    assert [name for name in MIGRATIONS_TESTS if not (ROOT / "tests" / name).exists()] == []


PAGES = "tasks/queries/pages.py"


def line_of(file: str, text: str) -> int:
    """Return the number of the first line of a file with this text."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def reached(folder: Path, lines: dict[str, list[int]], others: dict[str, int] | None = None) -> Coverage:
    """Say that each of these tests reaches these lines of PAGES, and so many elsewhere."""
    data = CoverageData(str(folder / "coverage"))
    for context, numbers in lines.items():
        data.set_context(context)
        data.add_lines({PAGES: numbers, "tasks/models/task.py": range((others or {}).get(context, 0))})
    return Coverage(data)


def test_of_the_tests_that_reach_a_line_those_about_it_come_first(tmp_path: Path) -> None:
    line = line_of(PAGES, "return F(self.column).desc()")
    others = {
        "tests/product/test_fence.py::test_wide[a|b]|run": 50,
        "tests/product/test_matrix.py::test_narrow|run": 2,
        "tests/tasks/test_lists.py::test_pages|run": 90,
    }

    coverage = reached(tmp_path, {context: [line] for context in others}, others)

    names = [test.rpartition("::")[2] for test in coverage.tests_of(PAGES, line)]
    assert names == ["test_pages", "test_narrow", "test_wide"]


def test_text_of_several_lines_is_reached_with_its_first(tmp_path: Path) -> None:
    file = tmp_path / "spanning.py"
    file.write_text('def f():\n    a = 1\n    return """\n    SELECT 1\n    FROM a"""\n')
    data = CoverageData(str(tmp_path / "coverage"))
    for context, number in (("tests/tasks/test_lists.py::test_a|run", 2), ("tests/tasks/test_lists.py::test_b|run", 3)):
        data.set_context(context)
        data.add_lines({str(file): [number]})

    assert Coverage(data).tests_of(str(file), 5) == ["tests/tasks/test_lists.py::test_b"]


def test_line_outside_a_function_has_the_tests_of_its_file(tmp_path: Path) -> None:
    """It runs once, in the name of whoever imports the file first."""
    line, inside = line_of(PAGES, "_LIMIT = "), line_of(PAGES, "return F(self.column).desc()")
    first, later = "tests/product/test_fence.py::test_first|run", "tests/tasks/test_lists.py::test_later|run"

    tests = reached(tmp_path, {first: [line], later: [inside]}).tests_of(PAGES, line)

    assert "tests/tasks/test_lists.py::test_later" in tests


def test_line_that_nobody_seems_to_reach_has_the_tests_that_name_its_file(tmp_path: Path) -> None:
    """Coverage does not count a table's later cases, nor what only other processes run."""
    command = "todoproject/management/commands/reencrypt.py"
    nobody = Coverage(CoverageData(str(tmp_path / "coverage")))

    assert "tests/accounts/test_secret_keys.py" in nobody.tests_of(command, line_of(command, "def handle"))
    assert "tests/openapi/test_openapi.py" in nobody.tests_of("todoproject/openapi/document.py", 1)
    assert nobody.tests_of("todoproject/openapi/json_schema.py", 20) == ["tests/openapi/test_openapi.py"]
    assert nobody.tests_of("todoproject/database/client/pool.py", 1)[0] == "tests/database/test_pool.py"
    assert nobody.tests_of("accounts/api/accounts.py", 1)[0] == "tests/openapi/test_openapi.py"
    assert nobody.tests_of("tasks/list_schemas.py", 1)[0] == "tests/openapi/test_openapi.py"


def test_what_only_long_tests_notice_is_tried_with_those_about_it(tmp_path: Path) -> None:
    nobody = Coverage(CoverageData(str(tmp_path / "coverage")))

    assert "tests/database/test_migrate.py" in nobody.long_tests_of("todoproject/management/commands/migrate.py")
    assert nobody.long_tests_of("todoproject/serving/supervisor.py")[0] == "tests/serving/test_supervisor.py"
    assert nobody.long_tests_of("todoproject/database/embedded/server.py") == ["tests/database/test_embedded.py"]
    assert "tests/management/test_backup.py" in nobody.long_tests_of("todoproject/management/backups/smoke.py")
    assert len(nobody.long_tests_of("accounts/models/user.py")) < 10


@pytest.mark.slow
def test_unbroken_copy_passes_and_a_broken_one_does_not(tmp_path: Path) -> None:
    """Whatever keeps tests from running at all would be taken for breaks that were noticed."""
    tmp_path.chmod(0o755)
    path = ROOT / "accounts/addresses.py"
    broken = [it for it in python.mutants(path) if it.rule == "not left out"]
    constraints = [it for it in sql.mutants(ROOT / "accounts/models/user.py") if it.rule == "constraint left out"]
    with Slot(tmp_path / "slot") as slot:
        slot.check()
        assert [slot.try_tests(mutant, ["tests/accounts/test_addresses.py"], 60) for mutant in broken[:1]] == [1]
        assert [slot.models_match(mutant) for mutant in constraints[:2]] == [False, False]


def test_run_that_was_ended_goes_on(tmp_path: Path) -> None:
    chosen = find([PAGES])[:4]
    path = tmp_path / "mutants.json"
    ended = Report(path, chosen)
    ended.add(chosen[0], "noticed", 1)
    ended.add(chosen[1], "survived", 1)
    ended.add(chosen[2], NOT_TRIED, 0)

    assert Report(path, chosen, goes_on=True).waiting() == chosen[2:]
    assert Report(path, chosen, goes_on=True).outcomes == {"noticed", "survived", NOT_TRIED}
    assert Report(path, chosen).waiting() == chosen


def test_break_elsewhere_than_the_reports_is_tried_anew(tmp_path: Path) -> None:
    """Who has edited the file since has another one before them."""
    mutant = find([PAGES])[0]
    Report(tmp_path / "mutants.json", [mutant]).add(mutant, "noticed", 1)
    moved = replace(mutant, start=mutant.start + 1)

    assert Report(tmp_path / "mutants.json", [moved], goes_on=True).waiting() == [moved]


def test_sample_is_the_same_for_the_same_seed_and_takes_of_every_rule() -> None:
    everything = [Mutant(Path("a.py"), number, "a", "b", "rare" if number < 3 else "often", 1) for number in range(100)]

    chosen = sample(everything, 10, seed=1)

    assert chosen == sample(everything, 10, seed=1)
    assert chosen != sample(everything, 10, seed=2)
    assert [mutant.rule for mutant in chosen].count("rare") == 3
    assert chosen[:4] == sample(everything, 4, seed=1)
    assert len(sample(everything, 1000, seed=1)) == 100
    assert all(mutant.path.is_relative_to(ROOT / "tasks/queries") for mutant in find(["tasks/queries"]))
