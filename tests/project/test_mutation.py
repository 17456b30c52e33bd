"""The tool that breaks the code on purpose makes the breaks that it says, and only such as can be run."""

import ast
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutation import python, sql
from tests.mutation.__main__ import find, sample
from tests.mutation.coverage import MIGRATIONS_TESTS, Coverage
from tests.mutation.python import Mutant
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


def test_of_the_tests_that_reach_a_line_those_about_it_come_first(tmp_path: Path) -> None:
    data = CoverageData(str(tmp_path / "coverage"))
    file = "tasks/queries/pages.py"
    for context, others in (
        ("tests/product/test_fence.py::test_wide[a|b]|run", range(50)),
        ("tests/product/test_matrix.py::test_narrow|run", range(2)),
        ("tests/tasks/test_lists.py::test_pages|run", range(90)),
    ):
        data.set_context(context)
        data.add_lines({file: [7], "tasks/models.py": others})

    coverage = Coverage(data)

    names = [test.rpartition("::")[2] for test in coverage.tests_of(file, 7)]
    assert names == ["test_pages", "test_narrow", "test_wide"]
    assert coverage.tests_of(file, 8) == []


def test_sample_is_the_same_for_the_same_seed_and_takes_of_every_rule() -> None:
    everything = [Mutant(Path("a.py"), number, "a", "b", "rare" if number < 3 else "often", 1) for number in range(100)]

    chosen = sample(everything, 10, seed=1)

    assert chosen == sample(everything, 10, seed=1)
    assert chosen != sample(everything, 10, seed=2)
    assert [mutant.rule for mutant in chosen].count("rare") == 3
    assert len(sample(everything, 1000, seed=1)) == 100
    assert all(mutant.path.is_relative_to(ROOT / "tasks/queries") for mutant in find(["tasks/queries"]))
