"""One worker, seen from its supervisor's end of the socket and from the database's log."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.environment import FOLDER
from tests.support.processes.servers import ROOT
from todoproject.background.control import BEAT, READY
from todoproject.database.embedded import log

pytestmark = pytest.mark.faults


def test_worker_says_that_it_serves_then_beats_and_leaves_the_database_in_order(postgres: None) -> None:
    before = log.path(FOLDER / "postgres").stat().st_size
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener, ours:
        with theirs:
            descriptors = [listener.fileno(), theirs.fileno()]
            process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", "--worker", *map(str, descriptors)],
                cwd=ROOT,
                env=os.environ,
                pass_fds=descriptors,
                stderr=subprocess.DEVNULL,
            )
        ours.settimeout(90)
        assert ours.recv(1) == READY
        ours.settimeout(10)
        beats = []
        while len(beats) < 4:
            assert ours.recv(1) == BEAT
            beats.append(time.monotonic())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    assert beats[3] - beats[1] < 6  # one a second, on a machine that has time
    with log.path(FOLDER / "postgres").open() as file:
        file.seek(before)
        assert "unexpected EOF" not in file.read()
