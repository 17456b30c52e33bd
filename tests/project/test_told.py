"""A first `make run` is not silent: installing says every moment how far it is, and leaves nobody behind."""

import subprocess
import time
from pathlib import Path

from tests.support.processes.servers import ROOT

PROBE = """
include {root}/Makefile
TELL_EVERY = 0.1
probe:
\t@$(call told,{command},{root}/requirements.txt)
"""


def told(folder: Path, command: str) -> tuple[int, list[str], float]:
    """Run a command as `make` runs an installation; return its outcome, what was said, and how long that took."""
    makefile = folder / "probe.mk"
    makefile.write_text(PROBE.format(root=ROOT, command=command))
    (folder / ".venv/lib/python3/site-packages/one-1.0.dist-info").mkdir(parents=True, exist_ok=True)
    since = time.monotonic()
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", str(makefile), "probe"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout.splitlines(), time.monotonic() - since


def test_how_far_it_is_is_said_while_it_lasts(tmp_path: Path) -> None:
    code, lines, _ = told(tmp_path, "sleep 0.5")

    assert code == 0
    assert lines
    wanted = sum("==" in line for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines())
    assert all(f"s, packages there: 1, wanted: {wanted}" in line for line in lines), lines


def test_a_failure_is_one_and_the_teller_is_gone(tmp_path: Path) -> None:
    code, _, seconds = told(tmp_path, "sleep 0.3; false")

    assert code != 0
    assert seconds < 10
