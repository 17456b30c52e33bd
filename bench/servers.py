"""A peer's server: started, waited for, measured, ended."""

import os
import signal
import socket
import subprocess
import time
from http.client import HTTPResponse
from pathlib import Path
from types import TracebackType

from bench import processes
from bench.errors import BenchError
from bench.load import http_request
from bench.peers import ROOT, Peer

_START_SECONDS = 60
_STOP_SECONDS = 20
# A server that is quiet for this long has answered all it was asked.
_QUIET_SECONDS = 0.1
_SETTLE_SECONDS = 20


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A peer that serves; a context manager that ends it. Its output goes to a file, as a service's does."""

    def __init__(self, peer: Peer, database_url: str, workers: int, log: Path, first: bytes | None = None) -> None:
        # The start is over when this request gets a good answer; without one, when there is any answer at all.
        self._first = first
        self.peer = peer
        self.workers = workers
        self.port = free_port()
        self.log = log
        self._environment = {**os.environ, **peer.family.environment(database_url)}
        self._process: subprocess.Popen[bytes] | None = None
        self.start_seconds = 0.0

    @property
    def pid(self) -> int:
        """The process that all others of this server come from."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "Server":
        started = time.perf_counter()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.peer.command(self.port, self.workers),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_answer(started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # a session of its own: nobody else is in the group
            self._process.wait()

    def _await_answer(self, started: float) -> None:
        assert self._process is not None
        while time.perf_counter() < started + _START_SECONDS:
            if self._process.poll() is not None:
                break
            try:
                status, _ = self.ask(self._first or http_request("GET", "/v1/tasks/0", "nobody"))
            except OSError:
                status = 0
            if status == 200 or (status and self._first is None):
                self.start_seconds = time.perf_counter() - started
                return
            time.sleep(0.005)
        self.__exit__(None, None, None)
        raise BenchError(f"{self.peer.title} did not start; its log says: {self.log.read_text()[-2000:].strip()}")

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request and return the status and the body of the answer. Raises OSError where there is none."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            answer = HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read()

    def cpu_seconds(self) -> float:
        """Return the processor time of the whole tree so far."""
        return processes.cpu_seconds(self.pid)

    def settle(self) -> None:
        """Wait until what was asked is answered: when the load ends, each connection has a request under way."""
        deadline = time.perf_counter() + _SETTLE_SECONDS
        before = self.cpu_seconds()
        while time.perf_counter() < deadline:
            time.sleep(_QUIET_SECONDS)
            now = self.cpu_seconds()
            if now - before < 0.02:  # two ticks of the clock that processor time is counted with
                return
            before = now
