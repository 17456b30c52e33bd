"""The lock files fit pyproject.toml and each other, and name no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT_FOLDER = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((PROJECT_FOLDER / "pyproject.toml").read_text())
PRODUCTION = "requirements.txt"
DEVELOPMENT = "tests/requirements.txt"
BENCH = "bench/requirements.txt"
INSTALLER = "installer.txt"


def pins(file: str) -> dict[str, str]:
    """Return the one exact version of each package in a lock file."""
    found = re.findall(r"^([a-z0-9-]+)==([^ ]+)(?: ; .+)? \\$", (PROJECT_FOLDER / file).read_text(), re.MULTILINE)
    assert len(found) == len(dict(found)), "one version for every Python and platform"
    return dict(found)


@pytest.mark.parametrize(
    ("file", "ranges"),
    [
        (PRODUCTION, PROJECT["project"]["dependencies"]),
        (DEVELOPMENT, PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]),
        (BENCH, PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["bench"]),
        (INSTALLER, PROJECT["dependency-groups"]["install"]),
    ],
)
def test_each_range_of_the_project_is_locked_inside_it(file: str, ranges: list[str]) -> None:
    locked = pins(file)
    for wanted in map(Requirement, ranges):
        assert locked[canonicalize_name(wanted.name)] in wanted.specifier, wanted


@pytest.mark.parametrize("file", [DEVELOPMENT, BENCH])
def test_development_and_bench_run_the_versions_of_production(file: str) -> None:
    assert pins(PRODUCTION).items() <= pins(file).items()


@pytest.mark.parametrize("file", [PRODUCTION, DEVELOPMENT, BENCH, INSTALLER])
def test_each_pin_has_hashes_and_nothing_but_pins_is_there(file: str) -> None:
    text = re.sub(r"^ *#.*\n", "", (PROJECT_FOLDER / file).read_text(), flags=re.MULTILINE)
    pin = r"[a-z0-9-]+==[^ \\]+(?: ; [^\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{pin})+", text)


@pytest.mark.parametrize("file", [PRODUCTION, DEVELOPMENT, BENCH, INSTALLER])
def test_no_index_and_no_path_is_named(file: str) -> None:
    assert not re.search(
        r"://|--(extra-)?index|--find-links|^-|[ =]/", (PROJECT_FOLDER / file).read_text(), re.MULTILINE
    )
