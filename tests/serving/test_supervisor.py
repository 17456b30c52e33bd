"""The supervisor alone, with workers that misbehave: they fail, die, hang, and do not want to go."""

import errno
import inspect
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from todoproject.background.control import ASKED, WROTE
from todoproject.serving.companion import Companion
from todoproject.serving.supervisor import Supervisor
from todoproject.serving.worker import Worker

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
HANGS_UP = GOOD.replace("control.settimeout(0.1)", "control.close()\nimport time; time.sleep(600)")
NEVER_READY = "import time; time.sleep(600)"
SLOW = GOOD.replace("control.send", "import time; time.sleep(1)\ncontrol.send", 1)
STAYS = GOOD.replace("        break\n", "        import time; time.sleep(600)\n")


class Start:
    """Start scripts, one after the other, the last one again and again; remember when."""

    def __init__(self, *scripts: str | OSError) -> None:
        self.scripts = list(scripts)
        self.times: list[float] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, control: socket.socket) -> "subprocess.Popen[bytes]":
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        began = time.monotonic()
        try:
            if isinstance(script, OSError):
                raise script
            command = [sys.executable, "-S", "-c", script, str(control.fileno())]
            self.processes.append(subprocess.Popen(command, pass_fds=[control.fileno()]))
        finally:
            self.times.append(began)  # last: who waits for so many starts looks at their processes next
        return self.processes[-1]

    @property
    def living(self) -> int:
        return sum(process.poll() is None for process in self.processes)


def supervise(
    start: Start,
    script: Callable[[], None] | Callable[[Supervisor], None] | None = None,
    *,
    count: int = 2,
    hung: float = 30,
    start_seconds: float = 60,
    companion: Companion | None = None,
) -> bool:
    """Run a supervisor in this thread, and the script of a test beside it, which must send a signal in the end."""
    failures: list[BaseException] = []

    def play(act: Callable[..., None]) -> None:
        try:
            act(*[supervisor][: len(inspect.signature(act).parameters)])
        except BaseException as failure:  # noqa: BLE001 -- handed over to the test's own thread
            failures.append(failure)
            for _ in range(2):  # at the second one what does not want to go is killed
                send(signal.SIGTERM)
                time.sleep(0.5)

    actor = threading.Thread(target=play, args=[script]) if script else None
    supervisor = Supervisor(
        start,
        count,
        on_end=lambda: None,
        drain_seconds=0,
        hung_seconds=hung,
        start_seconds=start_seconds,
        companion=companion,
    )
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


def test_a_worker_that_has_hung_up_and_lives_is_killed_as_one_that_hangs() -> None:
    """The end of what it says is no beat, however often it could be read."""
    start = Start(HANGS_UP, GOOD)

    def script() -> None:
        until(lambda: len(start.times) == 2)
        send(signal.SIGTERM)

    assert supervise(start, script, count=1, hung=1)
    assert start.processes[0].returncode == -signal.SIGKILL


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


def told(path: Path) -> str:
    """Return a worker that starts to serve when a file is there."""
    return GOOD.replace(
        "control.send", f"import os, time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.01)\ncontrol.send", 1
    )


def test_reload_that_fails_while_the_last_worker_still_starts_takes_nobody_away(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    start = Start(GOOD, told(tmp_path / "go"), FAILS)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 1 and len(start.times) == 2)
        send(signal.SIGHUP)
        until(lambda: "the old ones go on" in caplog.text)
        (tmp_path / "go").touch()
        until(lambda: ready(supervisor) == 2)
        assert [process.poll() for process in start.processes] == [None, None, 3]
        send(signal.SIGTERM)

    with caplog.at_level(logging.INFO):
        assert supervise(start, script) is True


def test_reload_while_the_last_worker_still_starts_replaces_both(tmp_path: Path) -> None:
    start = Start(GOOD, told(tmp_path / "never"), GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 1 and len(start.times) == 2)
        send(signal.SIGHUP)
        until(lambda: len(start.times) == 4 and ready(supervisor) == start.living == 2)
        assert [process.poll() is None for process in start.processes] == [False, False, True, True]
        send(signal.SIGTERM)

    assert supervise(start, script) is True


def ready(supervisor: Supervisor) -> int:
    return sum(worker.is_ready and worker.told_to_go is None for worker in list(supervisor._workers))


def leaving(supervisor: Supervisor) -> int:
    return sum(worker.told_to_go is not None for worker in list(supervisor._workers))


NOT_FOUND = FileNotFoundError(errno.ENOENT, "No such file or directory", sys.executable)
NO_DESCRIPTORS = OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("error", [NOT_FOUND, NO_DESCRIPTORS], ids=["no python", "no descriptors"])
def test_a_start_that_fails_at_a_reload_leaves_the_old_ones_and_is_tried_again(
    error: OSError, caplog: pytest.LogCaptureFixture
) -> None:
    start = Start(GOOD, GOOD, error, error, GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        old = list(start.processes)
        send(signal.SIGHUP)
        until(lambda: len(start.times) == 4)
        assert [process.poll() for process in old] == [None, None]
        until(lambda: ready(supervisor) == start.living == 2 and not any(p.poll() is None for p in old))
        send(signal.SIGTERM)

    assert supervise(start, script) is True
    assert caplog.text.count("could not be started, and is tried again") == 2
    assert start.times[3] - start.times[2] >= 1


def test_a_start_that_fails_after_a_death_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD, GOOD, NO_DESCRIPTORS, GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        start.processes[0].kill()
        until(lambda: len(start.times) == 4 and ready(supervisor) == 2)
        assert start.processes[1].poll() is None
        send(signal.SIGTERM)

    assert supervise(start, script) is True


def test_without_descriptors_for_the_control_socket_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start(GOOD)

    def refuse() -> tuple[socket.socket, socket.socket]:
        raise NO_DESCRIPTORS

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        with monkeypatch.context() as patch:
            patch.setattr("todoproject.serving.supervisor.socket.socketpair", refuse)
            send(signal.SIGHUP)
            time.sleep(0.7)
            assert ready(supervisor) == 2
        until(lambda: len(start.times) == 4 and start.living == 2)
        send(signal.SIGTERM)

    assert supervise(start, script) is True


def test_first_start_that_fails_ends_the_start(caplog: pytest.LogCaptureFixture) -> None:
    assert supervise(Start(NOT_FOUND)) is False
    assert "a worker could not start" in caplog.text


def test_a_supervisor_that_was_not_scheduled_kills_nobody(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        original = supervisor._selector.select
        paused: list[bool] = []

        def select(timeout: float | None = None) -> object:
            if not paused:
                paused.append(True)
                for process in start.processes:  # the whole machine, not only the supervisor
                    process.send_signal(signal.SIGSTOP)
                time.sleep(3)
                for process in start.processes:
                    process.send_signal(signal.SIGCONT)
                return []
            return original(timeout)

        supervisor._selector.select = select  # type: ignore[method-assign, assignment]
        until(lambda: bool(paused))
        time.sleep(4)
        assert ready(supervisor) == 2
        send(signal.SIGTERM)

    assert supervise(start, script, hung=2) is True
    assert len(start.times) == 2
    assert "not scheduled" in caplog.text
    assert "stuck" not in caplog.text


def test_beats_are_read_before_they_are_judged(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        turn = supervisor._turn
        paused: list[bool] = []

        def pause(woken: socket.socket) -> None:
            if not paused:
                time.sleep(3)
                paused.append(True)
            turn(woken)

        supervisor._turn = pause  # type: ignore[method-assign]
        until(lambda: bool(paused))
        time.sleep(1)
        assert ready(supervisor) == 2
        send(signal.SIGTERM)

    assert supervise(start, script, hung=2) is True
    assert len(start.times) == 2


def test_a_worker_that_hangs_while_it_starts_is_killed_and_the_old_ones_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    start = Start(GOOD, GOOD, NEVER_READY, GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        send(signal.SIGHUP)
        until(lambda: "so the old ones go on" in caplog.text)
        assert start.processes[2].poll() == -signal.SIGKILL
        assert [process.poll() for process in start.processes[:2]] == [None, None]
        send(signal.SIGHUP)
        until(lambda: len(start.times) == 5 and ready(supervisor) == start.living == 2)
        send(signal.SIGTERM)

    with caplog.at_level(logging.INFO):
        assert supervise(start, script, start_seconds=1) is True


def test_a_reload_while_a_worker_hangs_at_its_start_retires_no_good_one() -> None:
    start = Start(GOOD, GOOD, NEVER_READY, GOOD)
    fewest = [2]

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 2)
        send(signal.SIGHUP)
        until(lambda: len(start.times) == 3)
        send(signal.SIGHUP)
        while len(start.processes) < 5 or start.living > 2:
            fewest.append(ready(supervisor))
            time.sleep(0.005)
        send(signal.SIGTERM)

    assert supervise(start, script) is True
    assert min(fewest) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_many_reloads_in_a_row_leave_as_many_serving_as_before(count: int) -> None:
    start = Start(SLOW)
    fewest = [count]

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == count)
        first = list(start.processes)
        for _ in range(3):
            send(signal.SIGHUP)
            for _ in range(130):
                fewest.append(ready(supervisor))
                time.sleep(0.01)
        while any(process.poll() is None for process in first) or start.living > count:
            fewest.append(ready(supervisor))
            time.sleep(0.01)
        send(signal.SIGTERM)

    assert supervise(start, script, count=count) is True
    assert min(fewest) == count


def test_of_three_workers_never_fewer_than_three_serve_and_never_two_leave_at_once() -> None:
    start = Start(GOOD.replace("        break\n", "        import time; time.sleep(0.3); break\n"))
    fewest, most = [3], [0]

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 3)
        send(signal.SIGHUP)
        while len(start.processes) < 6 or start.living > 3:
            fewest.append(ready(supervisor))
            most.append(leaving(supervisor))
            time.sleep(0.005)
        send(signal.SIGTERM)

    assert supervise(start, script, count=3) is True
    assert min(fewest) == 3
    assert max(most) == 1


def test_a_worker_that_does_not_go_is_killed_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("todoproject.serving.supervisor.CLOSING_SECONDS", 1.0)
    start = Start(STAYS, GOOD)

    def script(supervisor: Supervisor) -> None:
        until(lambda: ready(supervisor) == 1)
        send(signal.SIGHUP)
        until(lambda: start.processes[0].poll() == -signal.SIGKILL)
        assert ready(supervisor) == 1
        send(signal.SIGTERM)

    assert supervise(start, script, count=1) is True


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
        worker = Worker(subprocess.Popen(["true"]), ours, 0, is_ready=True)
        worker.end(retire=True)
        worker.end(retire=True)
        ours.close()  # or what is missing would be waited for
        assert theirs.recv(16) == b"-"
        assert theirs.recv(16) == b""
        worker.process.wait()


class Listening(Companion):
    """Remember what it is told."""

    def __init__(self) -> None:
        super().__init__(Start(GOOD))
        self.told: list[bytes] = []

    def tell(self, message: bytes) -> None:
        self.told.append(message)


@pytest.mark.parametrize(("said", "told"), [(ASKED, ASKED), (WROTE, WROTE), (ASKED + WROTE, WROTE)])
def test_the_background_process_is_told_what_a_worker_says(said: bytes, told: bytes) -> None:
    companion = Listening()
    worker = GOOD.replace("control.settimeout", f"control.send({said!r})\ncontrol.settimeout", 1)

    def script() -> None:
        until(lambda: bool(companion.told))
        send(signal.SIGTERM)

    supervise(Start(worker), script, count=1, companion=companion)
    assert companion.told == [told]
