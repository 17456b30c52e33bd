"""The load: whole HTTP requests, made beforehand, that wrk sends as fast as they are answered.

wrk is written in C, and load.lua does no more than hand it the next request, so that one request costs the generator
some microseconds; how many is measured with every cell.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

_SCRIPT = Path(__file__).with_name("load.lua")
_FIGURES = re.compile(r"^result((?: \d+){13})$", re.MULTILINE)
# Longer than any answer that is still worth waiting for; wrk only counts those that take longer.
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Load:
    """What one run of wrk has measured. Latencies are in milliseconds."""

    seconds: float
    answered: int
    sent: int
    errors: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    generator_cpu_seconds: float

    @property
    def requests_per_second(self) -> float:
        """Answers, good ones, in a second."""
        return self.answered / self.seconds


def require_wrk() -> str:
    """Return wrk's version. Raises BenchError where it is absent."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is missing, which makes the load: apt install wrk, or brew install wrk")
    text = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    return text.partition("\n")[0].partition(" Copyright")[0].strip()


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Write requests for `run`; there is no NUL in a request of ours."""
    with path.open("wb") as file:
        file.writelines(request + b"\0" for request in requests)


def http_request(
    method: str, path: str, bearer: str | None = None, body: bytes | None = None, kind: str = "application/json"
) -> bytes:
    """Return a whole HTTP/1.1 request; `kind` is the body's media type."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if bearer is not None:
        lines.append(f"Authorization: Bearer {bearer}")
    if body is not None:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class Generator:
    """A running wrk."""

    def __init__(self, port: int, requests: Path, connections: int, seconds: float, *, once: bool = False) -> None:
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--timeout", f"{_TIMEOUT_SECONDS}s"]
        command += ["--duration", f"{max(1, round(seconds))}s", "--script", str(_SCRIPT)]
        command += [f"http://127.0.0.1:{port}", "--", str(requests), "once" if once else "repeat"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self) -> Load:
        """Wait for the end of the run and return what it has measured. Raises BenchError where wrk fails."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            text = output.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return parse(text, usage.ru_utime + usage.ru_stime)


def parse(text: str, generator_cpu_seconds: float) -> Load:
    """Read what load.lua has printed at the end. Raises BenchError where it has not."""
    match = _FIGURES.search(text)
    if match is None:
        raise BenchError(f"wrk failed: {' '.join(text.split()) or 'it said nothing'}")
    microseconds, answered, sent, connect, read, write, status, timeout, *latencies = map(int, match[1].split())
    errors = connect + read + write + status + timeout
    p50, p90, p99, p999, longest = (latency / 1000 for latency in latencies)
    return Load(
        microseconds / 1e6, answered - status, sent, errors, p50, p90, p99, p999, longest, generator_cpu_seconds
    )
