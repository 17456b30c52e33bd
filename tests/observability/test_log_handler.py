"""Log lines whose reader stalls are dropped and counted; the service never waits for it."""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.support.processes.servers import ROOT, free_port
from todoproject.observability import log_handler, logs, metrics

Ends = tuple[int, int]  # to read from, to write to
HandlerFor = Callable[[int], logging.Handler]


def pipe() -> Ends:
    return os.pipe()


def pair() -> Ends:
    return tuple(end.detach() for end in socket.socketpair())  # type: ignore[return-value]


@pytest.fixture
def handler_for() -> Iterator[HandlerFor]:
    """A handler whose standard error is this descriptor; both are closed in the end."""
    with ExitStack() as stack:

        def make(descriptor: int) -> logging.Handler:
            stream = stack.enter_context(os.fdopen(descriptor, "w"))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "stderr", stream)
                found = log_handler.handler()
            found.setFormatter(logs.JSONFormatter())
            stack.callback(found.close)
            return found

        yield make


def log(handler: logging.Handler, text: str) -> None:
    handler.emit(logging.makeLogRecord({"msg": text, "levelname": "INFO", "name": "todoproject"}))


def read_all(descriptor: int) -> bytes:
    found = b""
    while select.select([descriptor], [], [], 0.1)[0]:
        found += os.read(descriptor, 65_536)
    return found


@pytest.mark.parametrize("ends", [pipe, pair])
@pytest.mark.parametrize("size", [10, 300, 5_000, 200_000])
def test_reader_that_stalls_costs_lines_and_no_time(
    ends: Callable[[], Ends], size: int, handler_for: HandlerFor
) -> None:
    reader, writer = ends()
    handler = handler_for(writer)
    before = metrics.store.total().get(("log_dropped",), [0.0])[0]

    began = time.monotonic()
    count = 3 * 1024 * 1024 // (size + 100) if size < 200_000 else 20
    for number in range(count):
        log(handler, f"{number} {'x' * size}")
    assert time.monotonic() - began < 60  # a writer that waits would wait for ever: nobody reads

    taken = read_all(reader)
    for _ in range(6):  # a long line needs more than one round
        log(handler, "again")
        taken += read_all(reader)
    events = [json.loads(line) for line in taken.splitlines()]  # each line whole, in spite of all
    notices = [event for event in events if "dropped" in event["event"]]
    lines = [event for event in events if "dropped" not in event["event"]]
    assert sum(notice["lines"] for notice in notices) == count + 6 - len(lines) > 0
    assert metrics.store.total()[("log_dropped",)][0] - before == count + 6 - len(lines)
    assert lines[-1]["event"] == "again"
    os.close(reader)


def test_the_others_who_write_to_the_pipe_may_still_wait(handler_for: HandlerFor) -> None:
    reader, writer = os.pipe()
    log(handler_for(writer), "x")

    assert os.get_blocking(writer)
    os.close(reader)


def test_pipe_of_somebody_else_is_asked_before_each_write(
    handler_for: HandlerFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("todoproject.observability.log_handler.os.open", refuse)
    reader, writer = os.pipe()
    handler = handler_for(writer)
    for _ in range(1000):
        log(handler, "x" * 300)

    lines = read_all(reader).splitlines()
    assert 0 < len(lines) < 1000
    assert all(json.loads(line) for line in lines)
    os.close(reader)


@pytest.mark.parametrize("ends", [pipe, pair])
def test_reader_that_is_gone_is_no_error(ends: Callable[[], Ends], handler_for: HandlerFor) -> None:
    reader, writer = ends()
    handler = handler_for(writer)
    os.close(reader)

    for _ in range(3):
        log(handler, "x" * 5_000)
    handler.close()


def test_rest_of_a_long_line_is_written_at_the_end(handler_for: HandlerFor) -> None:
    reader, writer = os.pipe()
    handler = handler_for(writer)
    log(handler, "x" * 70_000)
    taken = os.read(reader, 65_536)
    handler.close()

    assert len(json.loads(taken + read_all(reader))["event"]) == 70_000
    os.close(reader)


def test_without_standard_error_nothing_is_written_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    assert isinstance(log_handler.handler(), logging.NullHandler)


def test_service_goes_on_while_nobody_reads_its_log(server: object) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", str(port)]
    environment = {**os.environ, "LOG_FORMAT": "json", "PUBLIC_URL": ""}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/health/live")
                break
            time.sleep(0.1)
        with httpx.Client(timeout=5) as client:
            for _ in range(600):  # some 250 bytes each, more than twice what the pipe holds
                assert client.get(f"{url}/v1/tasks").status_code == 401
    finally:
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=30)[0]
    assert process.returncode == 0
    assert output.count(b'"status":401') < 600
