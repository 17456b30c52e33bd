"""PostgreSQL's own limit: pgbench sends the statements that our server sends, with as many connections as its pool has.

They are taken from PostgreSQL's log while our server answers requests, tokens and ids included. Where we send them
prepared, in a pipeline, pgbench does too, with the parameters written in as constants: it has no text variables.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from accounts import tokens
from bench import fill, serverlog
from bench.errors import BenchError
from bench.operations import Operation, Targets
from bench.peers import CONNECTIONS, OURS, Credentials
from bench.plan import Plan
from bench.postgres import OWNER, Postgres
from bench.servers import Server

OPERATIONS = ("get", "list", "create")
# So many users' requests take turns. Each connection prepares the statements of each script once, and that must be
# little beside the measurement.
_SCRIPTS = 10
_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (?P<text>.*)", re.DOTALL)
_PARAMETERS = "DETAIL:  Parameters: "
_PARAMETER = re.compile(r"(\$\d+) = (NULL|'(?:[^']|'')*')")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_TRANSACTIONS = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Sent:
    """A statement that our server has sent, and its parameters as text."""

    text: str
    parameters: Sequence[str | None] = ()


@dataclass(frozen=True)
class Limit:
    """What pgbench got out of PostgreSQL."""

    operation: str
    connections: int
    round: int
    transactions_per_second: float
    database_cpu_us: float


# Without the background process, whose statements would stand between those of the requests.
QUIET = replace(
    OURS,
    family=replace(OURS.family, environment=lambda url: {**OURS.family.environment(url), "BACKGROUND": "false"}),
)


def scripts(postgres: Postgres, plan: Plan, targets: Targets, folder: Path) -> dict[str, list[Path]]:
    """Write pgbench's scripts for each operation that is measured."""
    found: dict[str, list[Path]] = {}
    chosen = [operation for operation in plan.operations if operation.name in OPERATIONS]
    with (
        serverlog.logging(postgres, OURS.name, log_statement="all") as entries,
        Server(QUIET, postgres.url(OURS.name), 1, plan.logs / "ours-logged.log") as server,
    ):
        for operation in chosen:
            before = len(entries())
            answers = [server.ask(request)[1] for request in islice(operation.requests(OURS, targets), _SCRIPTS)]
            sent = messages(entries()[before:])
            if len(sent) != len(answers):
                raise BenchError(f"{len(answers)} requests were {len(sent)} messages in PostgreSQL's log")
            texts = [[_bound(statement) for statement in message] for message in sent]
            found[operation.name] = list(_write(folder, operation, texts, answers))
    fill.restore(postgres, OURS)
    return found


def messages(entries: Sequence[str]) -> list[list[Sent]]:
    """Return the statements of each request: it begins with the token check, a write with BEGIN right before it."""
    found: list[list[Sent]] = []
    for entry in entries:
        if match := _STATEMENT.match(entry):
            text = match["text"].strip().rstrip(";")
            has_begun = bool(found) and len(found[-1]) == 1 and found[-1][0].text.startswith("BEGIN")
            found += [[]] if text.startswith("BEGIN") or ("open_request" in text and not has_begun) else []
            found[-1:] = [[*last, Sent(text)] for last in found[-1:]]
        elif found and entry.startswith(_PARAMETERS):
            found[-1][-1] = replace(found[-1][-1], parameters=_values(entry))
    return found


def _values(entry: str) -> list[str | None]:
    """Return the parameters of a statement, in their order."""
    texts = [text for _, text in _PARAMETER.findall(entry)]
    return [None if text == "NULL" else text[1:-1].replace("''", "'") for text in texts]


def digest(owner: Credentials) -> str:
    """Return the digest of an owner's token, as PostgreSQL reads it."""
    return f"\\x{tokens.digest(owner.token).hex()}"


def _bound(sent: Sent) -> str:
    """Return a statement with its parameters written in."""
    values = ["NULL" if value is None else "'{}'".format(value.replace("'", "''")) for value in sent.parameters]
    return re.sub(r"\$(\d+)", lambda match: values[int(match[1]) - 1] if values else match[0], sent.text)


def _write(folder: Path, operation: Operation, messages: list[list[str]], answers: list[bytes]) -> Iterator[Path]:
    for number, (message, answer) in enumerate(zip(messages, answers, strict=True)):
        path = folder / f"pgbench-{operation.name}-{number}.sql"
        path.write_text(script(message, _ID.search(answer) if operation.writes else None))
        yield path


def script(message: Sequence[str], made: re.Match[bytes] | None = None) -> str:
    """Return a message as pgbench reads it: several prepared statements in one pipeline, or one plain text."""
    texts = [_LITERAL.sub(_without_colons, text) for text in message]
    if made is not None:  # an id is new each time; that PostgreSQL makes it here is the one difference to what we send
        own = re.compile("'{}'".format(made[1].decode().replace("-", "-?")))
        texts = [own.sub("gen_random_uuid()", text) for text in texts]
    if len(texts) == 1:
        return texts[0].replace(";\n", "\\;\n") + ";\n"
    return "\\startpipeline\n{};\n\\endpipeline\n".format(";\n".join(texts))


def _without_colons(match: re.Match[str]) -> str:
    """Write a text constant so that pgbench does not take what follows a colon for a variable of its own."""
    if ":" not in match[0]:
        return match[0]
    return "E" + match[0].replace("\\", "\\\\").replace(":", "\\x3a")


def measure(postgres: Postgres, files: dict[str, list[Path]], seconds: int, turn: int) -> list[dict[str, Any]]:
    """Run pgbench once for each operation and number of connections."""
    return [
        asdict(_run(postgres, operation, paths, connections, seconds, turn))
        for operation, paths in files.items()
        for connections in (1, CONNECTIONS)
    ]


def _run(postgres: Postgres, operation: str, files: list[Path], connections: int, seconds: int, turn: int) -> Limit:
    protocol = "prepared" if files[0].read_text().startswith("\\startpipeline") else "simple"
    command = [str(postgres.program("pgbench")), "--no-vacuum", f"--protocol={protocol}", f"--time={seconds}"]
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
