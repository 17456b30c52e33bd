"""PostgreSQL's own limit: pgbench sends what our server sends, byte for byte, with as many connections as its pool has.

The statements are taken from PostgreSQL's log while our server answers requests, tokens and ids included.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench import fill, serverlog
from bench.errors import BenchError
from bench.operations import Operation, Targets
from bench.peers import CONNECTIONS, OURS
from bench.plan import Plan
from bench.postgres import OWNER, Postgres
from bench.servers import Server

OPERATIONS = ("get", "list", "create")
# So many users' requests take turns; pgbench takes at most 128 scripts.
_SCRIPTS = 100
_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')
_TRANSACTIONS = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Limit:
    """What pgbench got out of PostgreSQL."""

    operation: str
    connections: int
    round: int
    transactions_per_second: float
    database_cpu_us: float


def scripts(postgres: Postgres, plan: Plan, targets: Targets, folder: Path) -> dict[str, list[Path]]:
    """Write pgbench's scripts for each operation that is measured."""
    found: dict[str, list[Path]] = {}
    chosen = [operation for operation in plan.operations if operation.name in OPERATIONS]
    with (
        serverlog.logging(postgres, OURS.name, log_statement="all") as entries,
        Server(OURS, postgres.url(OURS.name), 1, plan.logs / "ours-logged.log") as server,
    ):
        for operation in chosen:
            before = len(entries())
            answers = [server.ask(request)[1] for request in islice(operation.requests(OURS, targets), _SCRIPTS)]
            texts = list(_statements(entries()[before:]))
            if len(texts) != len(answers):
                raise BenchError(f"pgbench: {len(answers)} requests were {len(texts)} plain statements")
            found[operation.name] = list(_write(folder, operation, texts, answers))
    fill.restore(postgres, OURS)
    return found


def _statements(entries: Sequence[str]) -> Iterator[str]:
    for entry in entries:
        text = entry.partition("LOG:  statement: ")[2].strip()
        if "open_request" in text:
            yield text


def _write(folder: Path, operation: Operation, texts: list[str], answers: list[bytes]) -> Iterator[Path]:
    for number, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        path = folder / f"pgbench-{operation.name}-{number}.sql"
        path.write_text(_script(text, _ID.search(answer) if operation.writes else None))
        yield path


def _script(text: str, made: re.Match[bytes] | None) -> str:
    """Return a message as pgbench reads it: `\\;` sends the statements together, as we do."""
    if made is not None:  # an id is new each time; that PostgreSQL makes it here is the one difference to what we send
        text = re.sub("'{}'".format(made[1].decode().replace("-", "-?")), "gen_random_uuid()", text)
    return text.rstrip(";\n").replace(";\n", "\\;\n") + ";\n"


def measure(postgres: Postgres, files: dict[str, list[Path]], seconds: int, turn: int) -> list[dict[str, Any]]:
    """Run pgbench once for each operation and number of connections."""
    return [
        asdict(_run(postgres, operation, paths, connections, seconds, turn))
        for operation, paths in files.items()
        for connections in (1, CONNECTIONS)
    ]


def _run(postgres: Postgres, operation: str, files: list[Path], connections: int, seconds: int, turn: int) -> Limit:
    command = [str(postgres.program("pgbench")), "--no-vacuum", "--protocol=simple", f"--time={seconds}"]
    command += [f"--client={connections}", f"--host={postgres.socket}", f"--username={OWNER}", OURS.name]
    command += [f"--file={path}" for path in files]
    before = postgres.cpu_seconds()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    time.sleep(0.1)  # the backends end, and their time is the server's
    used = postgres.cpu_seconds() - before
    count, rate = _TRANSACTIONS.search(result.stdout), _RATE.search(result.stdout)
    if result.returncode or count is None or rate is None:
        raise BenchError(f"pgbench failed: {result.stderr.strip()[-500:]}")
    fill.restore(postgres, OURS)
    return Limit(operation, connections, turn, float(rate[1]), used / int(count[1]) * 1e6)
