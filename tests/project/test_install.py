"""What is locked is what is installed, whatever else an index offers: the Makefile's own steps, on an index of ours."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.servers import ROOT
from tests.support.wheels import NEWER, write_twins

INSTALLER = "installer.txt"
LOCKS = ("requirements.txt", "tests/requirements.txt", "bench/requirements.txt")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)( ; [^\\\n]+)?", re.MULTILINE)
# Its own target, and nothing that would run the project.
PROBE = "include Makefile\nprobe:\n\t@$(call install,$(FILES))\n"
OPTIONS = re.compile(r"^UV +=.*?-m uv (.*)$", re.MULTILINE)
INSTALL_LINE = re.compile(r"pip install .*-r requirements\.txt")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile and the lock files of a project whose packages are made up, beside a newer release of each."""
    folder = tmp_path_factory.mktemp("install")
    (folder / "index").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "probe.mk").write_text(PROBE)
    (folder / INSTALLER).write_text(_lock_of_twins("uv==1\n", folder / "index"))
    for lock in LOCKS:
        (folder / lock).parent.mkdir(exist_ok=True)
        (folder / lock).write_text(_lock_of_twins((ROOT / lock).read_text(), folder / "index"))
    return folder


def _lock_of_twins(lock: str, index: Path) -> str:
    lines = [
        f"{name}=={version}{marker} --hash=sha256:{write_twins(index, name, version)}\n"
        for name, version, marker in PIN.findall(lock)
    ]
    assert lines
    return "".join(lines)


def install(project: Path, *locks: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Install as `make` does, with a newer release of every package within reach."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(project),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(project / "index"),
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(project / "index"),
    }
    command = ["make", "--no-print-directory", "-f", "probe.mk", "probe", f"FILES={' '.join(locks)}"]
    command += [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def installed(project: Path) -> dict[str, str]:
    frozen = subprocess.check_output(
        [project / ".venv/bin/python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"], text=True
    )
    return dict(line.split("==") for line in frozen.lower().replace("_", "-").split())


@pytest.mark.slow
@pytest.mark.parametrize("by", ["uv", "pip"])
def test_newer_releases_beside_it_change_nothing(project: Path, by: str) -> None:
    """Made-up wheels hold no uv: it is lent from our own environment, or pip does it, as where uv cannot."""
    shutil.rmtree(project / ".venv", ignore_errors=True)
    lent = lend_uv(project) if by == "uv" else {}

    for locks in (LOCKS[:2], (LOCKS[0], LOCKS[2])):
        finished = install(project, *locks, **lent)

        assert finished.returncode == 0, finished.stdout + finished.stderr
        found = installed(project)
        assert pins(project, *locks).items() <= found.items()
        assert NEWER not in found.values()
        assert ("No module named uv" in (project / ".venv.log").read_text()) == (by == "pip")


def lend_uv(project: Path) -> dict[str, str]:
    """Return what makes the Makefile use our uv, on an environment that holds pip already."""
    if importlib.util.find_spec("uv") is None:
        assert not os.environ.get("CI"), "uv is needed; make installs it"
        pytest.skip("INSTALLING BY UV IS NOT TESTED: this environment was not made by make")
    from uv import find_uv_bin

    subprocess.run([sys.executable, "-m", "venv", project / ".venv"], check=True)
    (project / ".venv/installed-nothing").touch()
    options = OPTIONS.search((ROOT / "Makefile").read_text())
    assert options is not None
    return {"UV": f"{find_uv_bin()} {options[1]}"}


def pins(project: Path, *locks: str) -> dict[str, str]:
    """Return the version of each package that every machine gets."""
    found = [pin for lock in locks for pin in PIN.findall((project / lock).read_text())]
    return {name: version for name, version, marker in found if not marker}


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
    lines = INSTALL_LINE.findall((ROOT / page).read_text()) or re.findall(
        "(?:UV|PIP_INSTALL) +=.*", (ROOT / page).read_text()
    )

    assert lines
    assert all("--require-hashes --no-deps" in line for line in lines)


def test_no_page_installs_into_the_system_or_ends_other_peoples_processes() -> None:
    """Debian refuses the one (externally managed), and a name is not only ours."""
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "todoproject/openapi/guide.md"]:
        assert not re.findall(r"(?<!/)\bpython3? -m pip install\b.*|\bpkill\b.*|\bkillall\b.*", page.read_text()), (
            page.name
        )
