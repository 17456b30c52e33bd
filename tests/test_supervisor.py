"""The supervisor alone, with workers that misbehave: they fail, die, hang, and do not want to go."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from todoproject.supervisor import Supervisor, Worker

pytestmark = pytest.mark.faults

# A worker that serves: says so, then beats until its supervisor says something or is gone.
GOOD = """
import socket, sys
control = socket.socket(fileno=int(sys.argv[1]))
control.send(b"+")
control.settimeout(0.1)
while True:
    try:
        control.recv(16)
        break
    except TimeoutError:
        control.send(b".")
"""
FAILS = "raise SystemExit(3)"
DIES = GOOD.replace("while True:", "raise SystemExit(7)\nwhile True:")
HANGS = GOOD.replace("while True:", "import time; time.sleep(600)\nwhile True:")


class Start:
    """Start scripts, one after the other, the last one again and again; remember when."""

    def __init__(self, *scripts: str) -> None:
        self.scripts = list(scripts)
        self.times: list[float] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, control: socket.socket) -> "subprocess.Popen[bytes]":
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.times.append(time.monotonic())
        command = [sys.executable, "-S", "-c", script, str(control.fileno())]
        self.processes.append(subprocess.Popen(command, pass_fds=[control.fileno()]))
        return self.processes[-1]

    @property
    def living(self) -> int:
        return sum(process.poll() is None for process in self.processes)


def supervise(start: Start, script: Callable[[], None] | None = None, *, count: int = 2, hung: float = 30) -> bool:
    """Run a supervisor in this thread, and the script of a test beside it, which must send a signal in the end."""
    failures: list[BaseException] = []

    def play(act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as failure:  # noqa: BLE001 -- handed over to the test's own thread
            failures.append(failure)
            os.kill(os.getpid(), signal.SIGTERM)

    actor = threading.Thread(target=play, args=[script]) if script else None
    supervisor = Supervisor(start, count, on_end=lambda: None, drain_seconds=0, hung_seconds=hung)
    if actor:
        actor.start()
    result = supervisor.run()
    if actor:
        actor.join()
    assert failures == []
    assert start.living == 0
    return result


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it does not come true")


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_workers_that_cannot_start_end_the_start(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD.replace('control.send(b"+")', ""), FAILS)

    assert supervise(start) is False
    assert len(start.times) == 2
    assert "could not start" in caplog.text


def test_a_worker_that_dies_is_started_again_and_not_endlessly_fast(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD, DIES)

    def script() -> None:
        until(lambda: len(start.times) == 4)
        send(signal.SIGTERM)

    assert supervise(start, script) is True
    # The second worker dies, and so do those in its place: after one second, and after two more.
    assert start.times[2] - start.times[1] >= 1
    assert start.times[3] - start.times[2] >= 2
    assert "a worker ended and is started again" in caplog.text


def test_a_worker_that_hangs_is_killed_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD, HANGS, GOOD)

    def script() -> None:
        until(lambda: len(start.times) == 3)
        assert start.processes[1].poll() == -signal.SIGKILL
        send(signal.SIGTERM)

    assert supervise(start, script, hung=1) is True
    assert "a worker is stuck and is killed" in caplog.text


def test_reload_replaces_one_after_the_other(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD)
    fewest = [2]

    def script() -> None:
        until(lambda: len(start.times) == 2)
        time.sleep(0.5)
        send(signal.SIGHUP)
        while len(start.processes) < 4 or start.living > 2:
            fewest.append(start.living)
            time.sleep(0.01)
        assert [process.poll() is None for process in start.processes] == [False, False, True, True]
        send(signal.SIGTERM)

    assert supervise(start, script) is True
    assert min(fewest) == 2
    assert "could not" not in caplog.text


def test_reload_with_code_that_cannot_start_leaves_the_old_workers(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD, GOOD, FAILS)

    def script() -> None:
        until(lambda: len(start.times) == 2)
        time.sleep(0.5)
        send(signal.SIGHUP)
        until(lambda: "the old ones go on" in caplog.text)
        time.sleep(1)
        assert len(start.times) == 3
        assert start.living == 2
        send(signal.SIGTERM)

    with caplog.at_level(logging.INFO):
        assert supervise(start, script) is True


def test_second_signal_kills_what_does_not_want_to_go() -> None:
    start = Start(HANGS)

    def script() -> None:
        until(lambda: len(start.times) == 2)
        time.sleep(0.5)
        send(signal.SIGTERM)
        time.sleep(0.5)
        assert start.living == 2
        send(signal.SIGTERM)

    began = time.monotonic()
    assert supervise(start, script) is True
    assert time.monotonic() - began < 10


def test_telling_to_go_twice_says_it_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Worker(subprocess.Popen(["true"]), ours, 0)
        worker.end(retire=True)
        worker.end(retire=True)
        assert theirs.recv(16) == b"-"
        worker.process.wait()
