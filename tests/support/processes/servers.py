"""A real server process: started, asked, killed, read."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import httpx

from tests.support.people import header_at

ROOT = Path(__file__).parent.parent.parent.parent


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`manage.py runserver` with settings of one's own; a context manager that ends it."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        self.root = ROOT  # whose code it runs
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = settings
        self._arguments = arguments
        self._environment = {**os.environ, "PORT": str(self.port), "LOG_FORMAT": "json", **settings}
        self._log = Path(tempfile.mkstemp(prefix="todo-server-")[1])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60) -> "Server":
        """Start the process and wait until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", *self._arguments],
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                httpx.get(f"{self.url}/health/live", timeout=1)
                return self
            except httpx.TransportError:
                time.sleep(0.05)
        self.kill()  # nobody else would: what fails to start is never left
        raise AssertionError(f"the server did not start:\n{self.log}")

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask the process to end and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def account(self) -> dict[str, str]:
        """Register somebody; return the header that carries their token."""
        return header_at(self.url)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=20)

    @property
    def log(self) -> str:
        """What the process has printed so far."""
        return self._log.read_text()

    @property
    def staff(self) -> tuple[str, str]:
        """E-mail and password of the first staff account, as the banner shows them."""
        match = re.search(r"^\s+(\S+@\S+), password (\S+)", self.log, re.MULTILINE)
        assert match is not None, self.log
        return match[1], match[2]

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self._log.unlink()
