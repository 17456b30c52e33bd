"""The README and docs/api.md do what they say: their blocks run in order, in one shell, against one server."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.environment import FOLDER
from tests.support import settings_page
from tests.support.processes.servers import ROOT, Server
from todoproject import settings

README = (ROOT / "README.md").read_text("utf-8")
API_PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
MONITORING_PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh server|sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^```sh\n((?:(?!```).*\n)+)```\n(?:\n```text\n((?:(?!```).*\n)+)```\n)?", re.MULTILINE)
URL = "http://127.0.0.1:8000"
END_OF_BLOCK = "\x1e"


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


@dataclass
class Quickstart:
    """A newcomer with one shell and one server, who does what the README says."""

    server: Server
    folder: Path
    said: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # `python3` is the tests' own, so that it is there and new enough.
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        self.shell = subprocess.Popen(
            ["bash", "-eu"],
            cwd=self.folder,
            env={"PATH": path, "LANG": "C.UTF-8", "TODO_API": f"{self.server.url}/v1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def follow(self, kind: str, text: str) -> None:
        """Do what one block says and keep what came of it."""
        text = text.replace(URL, self.server.url)
        if kind == "sh":
            self.said.append((text, self._shell(text)))
        elif kind == "python":
            self.said.append((text, self._python(text)))
        elif "kill -9 %%" in text:
            self.server.kill()
            self.server.start()

    def answer(self, words: str) -> str:
        """Return the output of the block that holds these words."""
        return next(output for text, output in self.said if words in text)

    def _shell(self, text: str) -> str:
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{text}\nprintf '\\036\\n'\n")
        self.shell.stdin.flush()
        output = ""
        for line in self.shell.stdout:
            if line == END_OF_BLOCK + "\n":
                return output
            output += line
        raise AssertionError(f"{text}\nended the shell:\n{output}")

    def _python(self, text: str) -> str:
        command = [sys.executable, "-c", text]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def quickstart(postgres: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstart]:
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "tests").symlink_to(ROOT / "tests")
    data = str(FOLDER / "quickstart")  # a newcomer's first start finds no database
    with Server(EMBEDDED_DATA_DIR=data, FIRST_STAFF_EMAIL="admin@example.com") as server:
        quickstart = Quickstart(server, folder)
        with quickstart.shell:
            for kind, text in BLOCK.findall(README + API_PAGE):
                quickstart.follow(kind, text)
        yield quickstart


def outcomes(answer: str) -> list[tuple[str, int]]:
    """Split what `call` printed into bodies and statuses."""
    return [(body, int(status)) for body, status in re.findall(r"^(.*)  → (\d{3})$", answer, re.MULTILINE)]


def test_registering_gives_a_token(quickstart: Quickstart) -> None:
    assert re.fullmatch(r"todo_\w{46}\n", quickstart.answer("register alice"))


def test_alice_lists_changes_and_completes_her_task(quickstart: Quickstart) -> None:
    listed, changed, completed = (
        (json.loads(body), status) for body, status in outcomes(quickstart.answer("/complete"))
    )

    assert listed[1] == changed[1] == completed[1] == 200
    assert [task["title"] for task in listed[0]["items"]] == ["Buy milk"]
    assert (changed[0]["title"], changed[0]["due_on"]) == ("Buy oat milk", None)
    assert completed[0]["completed_at"] is not None


def test_bob_cannot_tell_a_strange_task_from_none(quickstart: Quickstart) -> None:
    answers = outcomes(quickstart.answer('"title": "Mine"'))

    assert [status for _, status in answers] == [404] * 4
    documents = [json.loads(body) for body, _ in answers]
    assert len({(document["code"], document["detail"]) for document in documents}) == 1


def test_deleted_task_is_gone(quickstart: Quickstart) -> None:
    assert [status for _, status in outcomes(quickstart.answer('call "$ALICE" -X DELETE'))] == [204, 404]


def test_every_line_of_the_list_is_imported(quickstart: Quickstart) -> None:
    lines = len((ROOT / "tests/data/todo.txt").read_text("utf-8").splitlines())

    assert lines >= 300
    assert quickstart.answer("import_todo.py").splitlines()[-1] == f"{lines} tasks imported, 0 lines refused"


def test_paging_finds_all_and_the_logout_is_final(quickstart: Quickstart) -> None:
    text = (ROOT / "tests/data/todo.txt").read_text("utf-8")
    urgent = len(re.findall(r"^\(A\) ", text, re.MULTILINE))

    assert quickstart.answer("import httpx") == f"{urgent} urgent tasks\n401 after the logout\n"


def test_tasks_survive_a_killed_server(quickstart: Quickstart) -> None:
    [(body, status)] = outcomes(quickstart.answer("?limit=1"))

    assert status == 200
    assert [task["title"] for task in json.loads(body)["items"]] == ["Buy oat milk"]


def test_pasted_banner_is_the_real_one(quickstart: Quickstart) -> None:
    printed = quickstart.server.log.replace(quickstart.server.url, URL)
    pasted = re.search(
        r"^  API .*?^  Stop with Ctrl-C\.$", section(README, "How do I start it?"), re.MULTILINE | re.DOTALL
    )

    assert pasted is not None
    assert re.sub(r"password \S+ ", "password 0f29… ", pasted[0]) in re.sub(
        r"password \S+ ", "password 0f29… ", printed
    )


# --- The API by example ---------------------------------------------------------------------------

SHOWN = API_PAGE.split("\n## Three more helpers\n")[1]
EXAMPLES = EXAMPLE.findall(SHOWN)


@pytest.mark.parametrize(("text", "shown"), EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_example_prints_what_is_shown(quickstart: Quickstart, text: str, shown: str) -> None:
    printed = quickstart.answer(text)

    assert re.fullmatch(".*".join(re.escape(part) for part in shown.split("…")), printed), printed


def test_every_block_of_the_examples_is_checked() -> None:
    assert [text for _, text in BLOCK.findall(SHOWN)] == [text for text, _ in EXAMPLES]
    assert all(shown for _, shown in EXAMPLES[1:])  # the first one defines helpers


def test_code_for_a_new_password_is_printed_by_the_server(quickstart: Quickstart) -> None:
    mail = r"^To: alice@example\.com$.*?^To go on, use this code:\n\n[\w-]{43}$"
    deadline = time.monotonic() + 60
    while not (found := re.search(mail, quickstart.server.log, re.MULTILINE | re.DOTALL)):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert "Subject: Set a new password" in quickstart.server.log[: found.end()]


# --- Samples and tables ---------------------------------------------------------------------------


def sample(page: str, title: str) -> dict[str, Any]:
    """Return the JSON document that a section shows."""
    [text] = re.findall(r"^```json\n(.*)\n```$", section(page, title), re.MULTILINE)
    document: dict[str, Any] = json.loads(text)
    return document


def test_sample_of_a_log_line_is_what_a_request_logs(quickstart: Quickstart) -> None:
    events = [json.loads(line) for line in quickstart.server.log.splitlines() if line.startswith("{")]
    shown = sample(MONITORING_PAGE, "What does a log line look like?")

    assert list(shown) in [list(event) for event in events if event.get("route") == shown["route"]]


def test_sample_of_an_error_is_what_a_request_gets(quickstart: Quickstart) -> None:
    headers = {"Authorization": f"Bearer {quickstart.answer('register alice').strip()}"}
    answer = httpx.post(f"{quickstart.server.url}/v1/tasks", json={"titel": "Milk", "title": "Milk"}, headers=headers)
    shown = sample(API_PAGE, "What does an error look like?")

    assert answer.json() | {"request_id": shown["request_id"]} == shown


def test_page_of_settings_is_made_from_the_example_and_complete() -> None:
    page = settings_page.PAGE.read_text("utf-8")
    names = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)

    assert page == settings_page.page(), "`python -m tests.support.settings_page` writes it anew"
    assert names == list(settings.env.examples)


# --- The import script, beyond the sunny day ------------------------------------------------------


def run_import(quickstart: Quickstart, text: bytes, **environment: str) -> tuple[int, str, str]:
    """Import a file and return the script's exit code, output and error output."""
    (quickstart.folder / "list.txt").write_bytes(text)
    result = subprocess.run(
        [sys.executable, "import_todo.py", "list.txt"],
        cwd=quickstart.folder,
        env={"TODO_API": f"{quickstart.server.url}/v1", "LANG": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def token(quickstart: Quickstart) -> str:
    return quickstart.answer("register alice").strip()


def test_import_tells_bad_lines_and_goes_on(quickstart: Quickstart, token: str) -> None:
    code, output, errors = run_import(quickstart, b"one\n\ntwo due:soon\ndue:2026-12-01\nthree\n", TODO_TOKEN=token)

    assert code == 1
    assert output.splitlines()[-1] == "2 tasks imported, 2 lines refused"
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        (b"one\n", {"TODO_TOKEN": "wrong"}, "line 1: 401, The token is missing"),
        (b"one\n", {"TODO_API": "http://127.0.0.1:1/v1"}, "line 1: [Errno "),
        (b"caf\xe9\n", {}, "'utf-8' codec can't decode"),
    ],
)
def test_import_ends_with_one_clear_line(
    quickstart: Quickstart, token: str, text: bytes, environment: dict[str, str], words: str
) -> None:
    code, output, errors = run_import(quickstart, text, **{"TODO_TOKEN": token, **environment})

    assert (code, output) == (1, "")
    assert errors.startswith(words)
    assert len(errors.splitlines()) == 1


def test_interrupted_import_goes_on_where_it_stopped(quickstart: Quickstart) -> None:
    account = {"email": "interrupted@example.com", "password": "correct horse battery staple"}
    with httpx.Client(base_url=f"{quickstart.server.url}/v1") as http:
        token = http.post("/auth/register", json=account).json()["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        command = [sys.executable, "import_todo.py", "tests/data/todo.txt"]
        environment = {"TODO_API": f"{quickstart.server.url}/v1", "TODO_TOKEN": token, "LANG": "C.UTF-8"}
        options: dict[str, Any] = {"cwd": quickstart.folder, "env": environment, "text": True}
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
        while len(http.get("/tasks", params={"limit": 20}).json()["items"]) < 20:
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=30)
        assert (first.returncode, errors[:18]) == (1, "Stopped. To go on:")

        subprocess.run([*command, errors.split()[-1]], check=True, capture_output=True, **options)

        page = http.get("/tasks", params={"limit": 200}).json()
        rest = http.get("/tasks", params={"limit": 200, "cursor": page["next_cursor"]}).json()
    lines = (ROOT / "tests/data/todo.txt").read_text("utf-8").splitlines()
    assert len(page["items"] + rest["items"]) == len(lines)


def test_the_script_is_short() -> None:
    script = API_PAGE.split("<<'PYTHON'\n")[1].split("\nPYTHON\n")[0]

    assert len(script.splitlines()) < 60
