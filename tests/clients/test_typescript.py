"""The package in clients/typescript: built strictly by its README, packed, used by a stranger, following a stream."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path

import httpx
import pytest

from tests.clients.test_clients import CLIENTS, _run, node_modules
from tests.support.people import session_at
from tests.support.processes.servers import ROOT, Server

__all__ = ["node_modules"]

pytestmark = pytest.mark.clients

PACKAGE = ROOT / "clients" / "typescript"
README = (PACKAGE / "README.md").read_text("utf-8")
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^```ts\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for block in CONSOLE.findall(README) for line in block.splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, node_modules: Path) -> Path:
    """The package in a checkout, built by what its README says; what npm would install is there already."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(
        PACKAGE, checkout / "clients" / "typescript", ignore=shutil.ignore_patterns("node_modules", "dist", "schema.ts")
    )
    (checkout / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "openapi.json", checkout / "tests")
    folder = checkout / "clients" / "typescript"
    (folder / "node_modules").symlink_to(node_modules)
    assert COMMANDS[:2] == [["npm", "install"], ["npm", "run", "build"]]
    _run(*COMMANDS[1], folder=folder)
    return folder


def test_the_tools_are_those_of_the_lock_file() -> None:
    ours, locked = (json.loads((folder / "package.json").read_text("utf-8")) for folder in (PACKAGE, CLIENTS))
    wanted = {**ours["dependencies"], **ours["devDependencies"]}
    assert wanted.items() <= locked["devDependencies"].items()


def test_the_programs_of_the_readme_compile_against_what_is_packed(built: Path, tmp_path: Path) -> None:
    """In a project of somebody else's, which has the packed file, its one dependency and a compiler."""
    _run("npm", "pack", "--silent", "--pack-destination", tmp_path, folder=built)
    modules, theirs = tmp_path / "node_modules", built / "node_modules"
    modules.mkdir()
    for name in ("openapi-fetch", "openapi-typescript-helpers", "typescript"):
        (modules / name).symlink_to((theirs / name).resolve())
    (packed,) = tmp_path.glob("*.tgz")
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    _run("tar", "-xzf", packed, folder=tmp_path)
    (tmp_path / "package").rename(modules / "todo-client")
    assert {"LICENSE", "README.md", "dist/src/index.js", "dist/src/index.d.ts", "dist/src/schema.d.ts"} <= names
    assert not any(name.startswith(("examples", "src", "dist/examples")) for name in names)

    (tmp_path / "package.json").write_text('{"type": "module"}')
    programs = PROGRAM.findall(README)
    for number, program in enumerate(programs):
        (tmp_path / f"program{number}.ts").write_text(program)
    (tmp_path / "wrong.ts").write_text(programs[0].replace('"high"', '"higher"'))
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable"]
    compiler = [modules / "typescript" / "bin" / "tsc", *options]
    _run(*compiler, *(f"program{number}.ts" for number in range(len(programs))), folder=tmp_path)
    refused = subprocess.run([*compiler, "wrong.ts"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "'\"higher\"' is not assignable" in refused.stdout


def test_the_program_of_the_readme_runs(built: Path, server: Server, tmp_path: Path) -> None:
    token = session_at(server.url)["token"]
    program = PROGRAM.findall(README)[0].replace("http://127.0.0.1:8000", server.url).replace("todo_…", token)
    plain = program.replace(", type Task", "").replace("const task: Task", "const task")
    (tmp_path / "program.mjs").write_text(plain.replace('"todo-client"', json.dumps(str(built / "dist/src/index.js"))))
    _run("node", "program.mjs", folder=tmp_path)
    (task,) = httpx.get(f"{server.url}/v1/tasks", headers={"Authorization": f"Bearer {token}"}).json()["items"]
    assert (task["title"], task["version"]) == ("Buy milk", 3)  # changed, and undone


def test_the_example_follows_what_changes(built: Path, server: Server) -> None:
    headers = {"Authorization": f"Bearer {(token := session_at(server.url)['token'])}"}
    with httpx.Client(base_url=f"{server.url}/v1", headers=headers) as http:
        http.post("/tasks", json={"title": "Here before"})
        given = {"http://127.0.0.1:8000": server.url, "todo_…": token}
        command = [given.get(word, word) for word in COMMANDS[2]]
        environment = {**os.environ, "npm_config_update_notifier": "false"}
        with subprocess.Popen(command, cwd=built, env=environment, stdout=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            lines = (line.strip() for line in following.stdout)
            try:
                assert [next(lines), next(lines)] == ["open     Here before", "Following."]
                task = http.post("/tasks", json={"title": "Żółw 🐢"}).json()
                assert next(lines) == "new      Żółw 🐢"
                http.patch(f"/tasks/{task['id']}", json={"title": "Turtle"})
                assert next(lines) == "changed  Turtle"
                http.post(f"/tasks/{task['id']}/complete")
                assert next(lines) == "done     Turtle"
                http.delete(f"/tasks/{task['id']}")
                assert next(lines) == "deleted  Turtle"
            finally:
                following.terminate()


BROKEN = """
import { createServer } from "node:http";
import { follow, SyncExpired, StreamRefused } from %s;

// Breaks off in the middle of a letter, is too busy, goes on, and has then purged what was missed.
const data = (id, title) => JSON.stringify({ kind: "task", id, task: { title } });
const event = (id, title) => `event: task\\nid: ${id}\\ndata: ${data(id, title)}\\n\\n`;
const whole = Buffer.from(event("two", "Łódź"));
const asked = [];
const answers = [
  (out) => { out.write(`id: one\\n\\n${event("one", "first")}`); out.write(whole.subarray(0, whole.indexOf(0xc5) + 1));
             setTimeout(() => out.destroy(), 50); },
  (out) => { out.writeHead(503, { "Retry-After": "0" }).end("busy"); },
  (out) => { out.write("retry: 10\\n\\n: here\\n\\n"); const at = whole.indexOf(0xc5) + 1;
             out.write(whole.subarray(0, at)); setTimeout(() => out.end(whole.subarray(at)), 50); },
  (out) => { out.end("event: sync-expired\\ndata: {}\\n\\n"); },
  (out) => { out.writeHead(403, { "Content-Type": "application/problem+json" })
                .end('{"code": "scope-missing", "detail": "This needs the scope tasks:read."}'); },
];
const server = createServer((request, out) => {
  asked.push(new URL(request.url, "http://x").searchParams.get("cursor"));
  answers.shift()(out);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const options = { baseUrl: `http://127.0.0.1:${server.address().port}/`, token: "t" };
const seen = [], failures = [];
try {
  for await (const event of follow({ ...options, onRetry: (failure) => failures.push(String(failure)) })) {
    seen.push(event.change.task.title);
  }
} catch (error) { seen.push(error instanceof SyncExpired); }
try {
  for await (const _ of follow(options));
} catch (error) { seen.push(error instanceof StreamRefused && error.code); }
console.log(JSON.stringify({ asked, seen, failures: failures.length }));
server.close(); server.closeAllConnections();
"""


def test_a_stream_that_breaks_goes_on_where_it_was(built: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mjs").write_text(BROKEN % json.dumps(str(built / "dist/src/index.js")))
    ran = subprocess.run(["node", "broken.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "asked": [None, "one", "one", "two", None],
        "seen": ["first", "Łódź", True, "scope-missing"],
        "failures": 2,
    }
