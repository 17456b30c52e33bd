"""The tests' own processes are those of a person in front of a terminal, however the run was started."""

import signal
import subprocess
import sys

import pytest

from tests.support.processes.servers import ROOT

# What a test would start; it tells what it was given.
CHILD = "import signal; print(*map(repr, map(signal.getsignal, (signal.SIGINT, signal.SIGHUP))))"
PARENT = f"""
import os, signal, subprocess, sys
import tests.environment
os.kill(os.getpid(), signal.SIGHUP)
print(subprocess.check_output([sys.executable, "-c", {CHILD!r}], text=True), end="")
"""


def ignore() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("depth", [1, 2], ids=["by the run", "by a worker of the run"])
def test_children_can_be_interrupted_also_where_the_run_cannot(depth: int) -> None:
    """Under nohup the run goes on without its terminal, and so do its workers."""
    program = PARENT
    for _ in range(depth - 1):
        program = PARENT.replace(repr(CHILD), repr(program))

    output = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True, preexec_fn=ignore)

    assert "default_int_handler" in output
    assert "SIG_DFL" in output
    assert "SIG_IGN" not in output
