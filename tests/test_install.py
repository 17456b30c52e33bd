"""What is locked is what is installed, whatever else an index offers: the Makefile's own steps, on an index of ours."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import ROOT
from tests.wheels import NEWER, write_twins

LOCKS = ("requirements.txt", "tests/requirements.txt", "bench/requirements.txt")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)( ; [^\\\n]+)?", re.MULTILINE)
# Its own target, and nothing that would run the project.
PROBE = "include Makefile\nprobe:\n\t@$(call install,$(FILES))\n"
INSTALL_LINE = re.compile(r"pip install .*-r requirements\.txt")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile and the lock files of a project whose packages are made up, beside a newer release of each."""
    folder = tmp_path_factory.mktemp("install")
    (folder / "index").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "probe.mk").write_text(PROBE)
    for lock in LOCKS:
        (folder / lock).parent.mkdir(exist_ok=True)
        (folder / lock).write_text(_lock_of_twins((ROOT / lock).read_text(), folder / "index"))
    return folder


def _lock_of_twins(lock: str, index: Path) -> str:
    lines = [
        f"{name}=={version}{marker} --hash=sha256:{write_twins(index, name, version)}\n"
        for name, version, marker in PIN.findall(lock)
    ]
    assert len(lines) > 20
    return "".join(lines)


def install(project: Path, *locks: str) -> "subprocess.CompletedProcess[str]":
    """Install as `make` does, with a newer release of every package within reach."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(project),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(project / "index"),
    }
    command = ["make", "--no-print-directory", "-f", "probe.mk", "probe", f"FILES={' '.join(locks)}"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def installed(project: Path) -> dict[str, str]:
    frozen = subprocess.check_output(
        [project / ".venv/bin/python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"], text=True
    )
    return dict(line.split("==") for line in frozen.lower().replace("_", "-").split())


@pytest.mark.slow
@pytest.mark.parametrize("locks", [LOCKS[:2], (LOCKS[0], LOCKS[2])], ids=["test", "bench"])
def test_newer_releases_beside_it_change_nothing(project: Path, locks: tuple[str, ...]) -> None:
    finished = install(project, *locks)

    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = installed(project)
    wanted = {
        name: version
        for lock in locks
        for name, version, marker in PIN.findall((project / lock).read_text())
        if not marker
    }
    assert wanted.items() <= found.items()
    assert NEWER not in found.values()


@pytest.mark.slow
def test_package_that_lacks_another_stops_it(project: Path, tmp_path: Path) -> None:
    """Without resolving, pip would say nothing of a lock that is not whole; `pip check` does."""
    copy = tmp_path / "torn"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".venv*"))
    lock = copy / LOCKS[0]
    lock.write_text("".join(re.findall(r"^django==.*\n", lock.read_text(), re.MULTILINE)))

    finished = install(copy, LOCKS[0])

    assert finished.returncode != 0
    assert "sqlparse" in finished.stderr
    assert not list((copy / ".venv").glob("installed-*"))


@pytest.mark.parametrize("page", ["Makefile", "docs/production.md"])
def test_no_page_lets_pip_resolve_what_is_locked(page: str) -> None:
    lines = INSTALL_LINE.findall((ROOT / page).read_text()) or re.findall("PIP_INSTALL *=.*", (ROOT / page).read_text())

    assert lines
    assert all("--require-hashes --no-deps" in line for line in lines)
