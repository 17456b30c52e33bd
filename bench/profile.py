"""Where the time goes: py-spy samples a server under load, and its samples are summed by whose code runs."""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench import fill, operations
from bench.errors import BenchError
from bench.load import Generator, write_requests
from bench.operations import Operation
from bench.peers import ROOT, Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

CONNECTIONS = 32
_SECONDS = 8
_RATE = 500  # samples a second


def run(postgres: Postgres, plan: Plan, progress: Progress, peer: Peer, operation: Operation) -> dict[str, Any]:
    """Return how the samples of a loaded server are spread, by package and by function. Raises BenchError."""
    if peer.build is not None:
        raise BenchError(f"{peer.title} is no Python, and py-spy reads nothing else")
    progress.begin(f"preparing {peer.title}")
    if not peer.is_ceiling:
        fill.prepare(postgres, peer, plan.sizes, progress.tell)
    with tempfile.TemporaryDirectory(prefix="todo-bench-") as name:
        requests, samples = Path(name, "requests"), Path(name, "samples")
        database = peer.name
        write_requests(requests, operation.requests(peer, operations.targets(postgres, database)))
        with Server(peer, postgres.url(database), 1, plan.logs / f"{peer.name}-profile.log") as server:
            Generator(server.port, requests, CONNECTIONS, 2, once=operation.once).wait()
            progress.begin(f"profiling {peer.title}, {operation.title}")
            load = Generator(server.port, requests, CONNECTIONS, _SECONDS + 2, once=operation.once)
            _record(server.pid, samples)
            load.wait()
        lines = samples.read_text().splitlines()
    return {"peer": peer.name, "operation": operation.name, **summarize(lines)}


def _record(pid: int, samples: Path) -> None:
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        raise BenchError("py-spy is missing, which profiles: pip install py-spy")
    command = [program, "record", "--format=raw", f"--rate={_RATE}", f"--duration={_SECONDS}", "--nonblocking"]
    command += [f"--pid={pid}", f"--output={samples}", "--subprocesses", "--full-filenames", "--function"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BenchError(f"py-spy failed (it needs the right to trace processes): {result.stderr.strip()[-300:]}")


def summarize(lines: list[str]) -> dict[str, Any]:
    """Sum samples (`frame;frame;frame count`, the innermost last) by the package and the function that runs."""
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frame = stack.rpartition(";")[2]
        if frame.startswith("process "):  # between two frames of Python
            continue
        packages[package(frame)] += int(count)
        functions[_short(frame)] += int(count)
    total = max(1, packages.total())
    return {
        "samples": packages.total(),
        "packages": [[name, count / total] for name, count in packages.most_common()],
        "functions": [[name, count / total] for name, count in functions.most_common(25)],
    }


def package(frame: str) -> str:
    """Return whose code a frame (`function (file:line)`) is: a package's, the project's, or Python's."""
    path = frame.partition("(")[2].partition(":")[0]
    if "/site-packages/" in path:
        return path.partition("/site-packages/")[2].partition("/")[0].removesuffix(".py")
    if path.startswith(str(ROOT)):
        return "/".join(Path(path).relative_to(ROOT).parts[:1])
    return "python" if path else frame


def _short(frame: str) -> str:
    function, _, place = frame.partition(" (")
    return f"{function} ({place.rpartition('/site-packages/')[2].removeprefix(f'{ROOT}/')}"
