"""The command `todo`, and the blocking client under it, against a real server; at last out of its wheel."""

import io
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from todo_client import Client
from todo_client.cli import dues, session
from todo_client.cli.app import run

from tests.support.people import PASSWORD, session_at
from tests.support.processes.servers import ROOT, Server, free_port

pytestmark = pytest.mark.clients


@dataclass
class Said:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Todo = Callable[..., Said]


@pytest.fixture
def todo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server: Server) -> Todo:
    """The command in this process, with a configuration of its own; what is typed is `stdin`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("TODO_SERVER", server.url)
    monkeypatch.delenv("TODO_TOKEN", raising=False)

    def todo(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["todo", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        said = capsys.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0 if code is None else 1, said.out, said.err)

    return todo


@pytest.fixture
def dora(todo: Todo, server: Server) -> Todo:
    """The command of somebody who is logged in."""
    email = session_at(server.url)["user"]["email"]
    assert todo("login", "--email", email, stdin=f"{PASSWORD}\n").code == 0
    return todo


def test_a_day_with_it(dora: Todo, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "todo-client" / "config.json").stat().st_mode) == 0o600
    assert dora("lists", "--add", "Home").code == 0
    added = dora("add", "Buy milk", "--due", "tomorrow", "--list", "home", "-t", "shop", "-p", "high")
    assert added.out.startswith("Added 1: Buy milk, due tomorrow")
    dora("add", "Water the plants", "--due", "today 23:59", "--repeat", "daily")
    dora("add", "[bold]Not markup[/bold] :tada:")

    listed = dora("ls").out.splitlines()

    assert [line.split()[:2] for line in listed[1:4]] == [["1", "Water"], ["2", "Buy"], ["3", "[bold]Not"]]
    assert "tomorrow" in listed[2]
    assert "@shop" in listed[2]
    assert dora("done", "milk").out.startswith("Done 2: Buy milk")
    assert "next tomorrow" in dora("done", "1").out
    assert dora("edit", "3", "--title", "Mark", "--due", "+1w", "--priority", "low").code == 0
    assert dora("show", "3", "--json").json["title"] == "Mark"
    assert dora("rm", "Mark").code == 0
    assert dora("undo").out.startswith("Undone: Mark")
    assert dora("undo").out.startswith("Undone: [bold]Not markup[/bold] :tada:")  # the edit before that
    assert [task["title"] for task in dora("ls", "--json", "markup").json] == ["[bold]Not markup[/bold] :tada:"]
    assert [task["title"] for task in dora("--json", "ls", "--list", "home", "--all").json] == ["Buy milk"]
    assert dora("reopen", "milk").out.startswith("Reopened")
    assert "3 open" in dora("stats").out
    assert "Home" in dora("lists").out


def test_days_are_those_of_the_account(dora: Todo, server: Server, tmp_path: Path) -> None:
    login = json.loads((tmp_path / "todo-client" / "config.json").read_text())["logins"][server.url]
    with Client(server.url, login["token"]) as client:
        client.update_me(timezone="Pacific/Kiritimati")  # fourteen hours ahead
    task = dora("add", "Early", "--due", "today", "--json").json
    assert task["due_on"] == datetime.now(ZoneInfo("Pacific/Kiritimati")).date().isoformat()


def test_mistakes_are_told_in_a_sentence_and_an_exit_code(
    todo: Todo, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (todo("ls").code, "todo login" in todo("ls").err) == (3, True)
    assert todo("login", "--email", "nobody@example.com", stdin="wrong\n").code == 3
    opened = session_at(server.url)
    monkeypatch.setenv("TODO_TOKEN", opened["token"])
    assert todo("whoami", "--json").json["email"] == opened["user"]["email"]
    todo("add", "Call Anna")
    todo("add", "Call Bert")
    todo("edit", "1", "--title", "Call Anne")
    for code, *arguments in [
        (2, "add", "x", "--due", "someday"),
        (2, "edit", "anne"),
        (2, "nonsense"),
        (4, "done", "7"),
        (4, "done", "nothing like it"),
        (4, "done", "call"),
        (4, "add", "x", "--list", "Nowhere"),
        (1, "add", " "),
        (1, "ls", "--sort", "nonsense"),
        (4, "undo", "1000000"),
        (5, "undo", "1"),  # Anna's creation, after which she was renamed
    ]:
        said = todo(*arguments)
        assert (said.code, said.out) == (code, ""), arguments
        assert said.err, arguments
        assert "Traceback" not in said.err
    assert json.loads(todo("done", "0199a000-0000-7000-8000-000000000009", "--json").err)["code"] == "not-found"
    monkeypatch.setenv("TODO_TOKEN", "todo_wrong")
    assert todo("ls").code == 3
    monkeypatch.setattr(session, "RETRIES", session.Retries(attempts=1))
    monkeypatch.setenv("TODO_SERVER", f"http://127.0.0.1:{free_port()}")
    assert todo("ls").code == 6
    monkeypatch.setenv("TODO_SERVER", "nowhere")
    assert todo("ls").code == 2
    (tmp_path / "todo-client" / "config.json").write_text('{"logins": {"http://127.0.0.1": {}}}')
    assert (todo("ls").code, "Mend" in todo("ls").err) == (2, True)


def test_a_token_stays_at_its_server(dora: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TODO_SERVER", f"http://localhost:{free_port()}")
    assert (dora("ls").code, "not logged in" in dora("ls").err) == (3, True)


def test_logging_out_revokes_the_token(
    dora: Todo, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TODO_TOKEN", session_at(server.url)["token"])
    assert (dora("logout").code, dora("ls").code) == (0, 3)
    monkeypatch.delenv("TODO_TOKEN")
    assert dora("ls").code == 0  # the login of the configuration is another one
    token = json.loads((tmp_path / "todo-client" / "config.json").read_text())["logins"][server.url]["token"]
    assert dora("logout").code == 0
    assert (dora("ls").code, dora("login", "--with-token", stdin=f"{token}\n").code) == (3, 3)


def test_a_program_follows_the_stream(server: Server) -> None:
    with Client(server.url) as writer, Client(server.url) as reader:
        opened = session_at(server.url)
        writer.token = reader.token = opened["token"]
        cursor = reader.changes.page("now").next_cursor
        stream = reader.changes.stream(cursor)
        made = threading.Timer(0.1, writer.tasks.create, ["Live"])
        made.start()
        event = next(stream)
        stream.close()  # type: ignore[attr-defined]  # a generator
        made.join()
    assert event.change is not None
    assert event.change.task is not None
    assert (event.kind, event.change.task.title) == ("task", "Live")


BERLIN = ZoneInfo("Europe/Berlin")
SATURDAY = datetime(2026, 11, 28, 23, 30, tzinfo=UTC)  # Sunday, half past midnight, in Berlin


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("today", "2026-11-29"),
        ("Tomorrow", "2026-11-30"),
        ("sun", "2026-12-06"),
        ("mon", "2026-11-30"),
        ("+2w", "2026-12-13"),
        ("2026-12-24", "2026-12-24"),
        ("tomorrow 9:05", "2026-11-30T09:05:00+01:00"),
        ("2026-12-24T09:00:00Z", "2026-12-24T09:00:00+00:00"),
        ("2026-12-24T09:00", "2026-12-24T09:00:00+01:00"),
        ("none", "None"),
    ],
)
def test_dues_are_read_by_the_clock_of_the_account(text: str, due: str) -> None:
    read = dues.parse(text, BERLIN, SATURDAY)
    assert (read.at.isoformat() if read.at else str(read.on)) == due


@pytest.mark.parametrize("text", ["someday", "mo", "tomorrow 25:00", "tomorrow at noon", "2026-13-01", "+3y"])
def test_what_is_no_due_is_refused(text: str) -> None:
    with pytest.raises(dues.NotADue):
        dues.parse(text, BERLIN, SATURDAY)


def installed(folder: Path) -> Path:
    """Build the wheel and install it; return the Python that has it.

    By uv, which takes a tenth of the time, or by pip where uv does not reach the index: it knows nothing of pip's
    configuration. The Makefile does the same.
    """
    source, python = ROOT / "clients" / "python", folder / "venv" / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "--no-config", "--system-certs", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=60)
    build = [*uv, "build", "--wheel", "--out-dir", folder, source]
    is_built_by_uv = subprocess.run(build, check=False, timeout=200).returncode == 0
    if not is_built_by_uv:
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, source], check=True, timeout=200)
    (wheel,) = folder.glob("todo_client-*.whl")
    by_uv, by_pip = [*uv, "pip", "install", "--python", python], [*pip, "--python", python, "install"]
    subprocess.run([*(by_uv if is_built_by_uv else by_pip), f"{wheel}[cli]"], check=True, timeout=200)
    return python


def test_the_wheel_brings_the_command_along(server: Server, tmp_path: Path) -> None:
    """Built, and installed into an environment that has nothing else."""
    python = installed(tmp_path)
    token = session_at(server.url)["token"]
    environment = {"PATH": os.environ["PATH"], "TODO_SERVER": server.url, "TODO_TOKEN": token, "HOME": str(tmp_path)}

    def todo(*arguments: str, **more: str) -> str:
        command = [python.parent / "todo", *arguments]
        finished = subprocess.run(
            command, env=environment | more, capture_output=True, text=True, check=False, timeout=60
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    assert {"ls", "lists"} <= set(todo(_TODO_COMPLETE="complete_bash", COMP_WORDS="todo l", COMP_CWORD="1").split())
    assert next((tmp_path / "venv").rglob("todo_client/py.typed")).is_file()
    command = [python.parent / "todo", "watch"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("Watching")
        assert todo("add", "Buy milk").startswith("Added 1")
        assert watching.stdout.readline().split()[1:] == ["new", "Buy", "milk"]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 0


README = (ROOT / "clients" / "python" / "README.md").read_text("utf-8")
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_programs_of_the_readme_run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = "\n".join(PYTHON.findall(README))
    here = blocks.replace("http://127.0.0.1:8000", server.url).replace("dora@", f"dora-{uuid.uuid4().hex}@")
    program = [sys.executable, "-W", "error", "-c", here]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python" / "src")}
    finished = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "It is called Buy oat milk now." in finished.stdout
    assert "conflict {'title': 'Buy two bottles of milk'} 412 precondition-failed" in finished.stdout


def test_the_commands_of_the_readme_run(todo: Todo, server: Server) -> None:
    email = session_at(server.url)["user"]["email"]
    (block,) = CONSOLE.findall(README)
    for line in block.replace("http://127.0.0.1:8000", server.url).splitlines():
        words = shlex.split(line)[1:]
        said = todo(*words, *(["--email", email] if "login" in words else []), stdin=f"{PASSWORD}\n")
        assert said.code == 0, (line, said)
