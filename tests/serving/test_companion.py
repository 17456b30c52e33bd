"""The background process beside the workers: started again when it ends, told of requests, and ended in order."""

import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from todoproject.background import control
from todoproject.serving import admission, companion
from todoproject.serving.companion import Companion

# Says that it lives, then everything that it hears, until its supervisor says no more.
ECHO = """
import socket, sys
control = socket.socket(fileno=int(sys.argv[1]))
control.send(b"+")
while said := control.recv(100):
    control.send(said)
"""
ALICE = "01a22385-c7dc-747a-a2c8-0f555bf33def"


def start(control: socket.socket) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-S", "-c", ECHO, str(control.fileno())]
    return subprocess.Popen(command, pass_fds=[control.fileno()])


@pytest.fixture
def selector() -> Iterator[selectors.DefaultSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


def turn(
    one: Companion, selector: selectors.DefaultSelector, until: Callable[[bytes], bool], *, may: bool = True
) -> None:
    """Do as the supervisor does, until something is so, of what was heard."""
    heard = b""
    deadline = time.monotonic() + 20
    while not until(heard):
        assert time.monotonic() < deadline
        one.tend(selector, may_start=may)
        for _ in selector.select(timeout=0.02):
            heard += one.hear(selector)


def test_it_is_told_started_again_and_ended(
    selector: selectors.DefaultSelector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(companion, "_FIRST_WAIT_SECONDS", 0.05)
    one = Companion(start)
    turn(one, selector, lambda heard: control.READY in heard)
    one.tell(control.wrote([ALICE]))
    turn(one, selector, lambda heard: control.owners(heard) == [ALICE])
    first = one._process
    assert first is not None
    one.kill()
    turn(one, selector, lambda heard: control.READY in heard)
    assert one._process is not first
    assert "the background process has ended and is started again" in caplog.text

    one.end()
    turn(one, selector, lambda heard: not one.is_there, may=False)
    assert caplog.text.count("has ended") == 1


def test_one_that_says_nothing_is_killed(
    selector: selectors.DefaultSelector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(companion, "HUNG_SECONDS", 0.1)
    one = Companion(start)
    turn(one, selector, lambda heard: control.READY in heard)
    assert one._process is not None
    process = one._process.process
    turn(one, selector, lambda heard: not one.is_there, may=False)
    assert process.returncode == -signal.SIGKILL
    assert "the background process is stuck and is killed" in caplog.text


def test_one_that_cannot_be_started_is_tried_later(
    selector: selectors.DefaultSelector, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(control: socket.socket) -> "subprocess.Popen[bytes]":
        raise OSError("no memory")

    one = Companion(refuse)
    one.tend(selector, may_start=True)
    one.tend(selector, may_start=True)
    assert caplog.text.count("no memory") <= 1
    assert not one.is_there


class Held:
    """A connection, as far as it is asked here."""

    held_bytes = unread_bytes = 0
    is_reserved = False
    address = ""

    def __init__(self, port: int) -> None:
        self.client = ("192.0.2.1", port)
        self.number = port


def test_a_stream_does_not_count_against_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "limit_by_address", lambda: 1)
    monkeypatch.setattr(admission, "_make_room", lambda *_: False)
    first, second = Held(1), Held(2)
    try:
        assert admission.enter(first) is None  # type: ignore[arg-type]  # what is asked of one
        admission.exempt(first)
        assert admission.enter(second) is None  # type: ignore[arg-type]
    finally:
        for connection in (first, second):
            admission.leave(connection)  # type: ignore[arg-type]
    assert "192.0.2.1" not in admission._by_address


def test_each_check_looks_at_whoever_answers_and_at_some_of_the_streams() -> None:
    """Ten thousand streams took a third of a check's second; each still has its turn."""
    streams, ordinary = [Held(port) for port in range(20)], Held(20)
    for connection in (*streams, ordinary):
        admission.enter(connection)  # type: ignore[arg-type]  # as above
    try:
        for connection in streams:
            admission.exempt(connection)  # type: ignore[arg-type]
        checks = [set(admission.due(check)) & {*streams, ordinary} for check in range(admission.STREAM_TURNS)]
    finally:
        for connection in (*streams, ordinary):
            admission.leave(connection)  # type: ignore[arg-type]
    assert all(ordinary in check and len(check) == 3 for check in checks)
    assert set().union(*checks) == {*streams, ordinary}
    assert not {*streams, ordinary} & {each for check in range(10) for each in admission.due(check)}
