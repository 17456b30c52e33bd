"""Clients generated from the document of a running server: they build, and spend a day with it."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.support.people import session_at
from tests.support.processes.servers import Server

CLIENTS = Path(__file__).parent
MODULES = CLIENTS / "node_modules"

pytestmark = pytest.mark.clients


def _run(*command: str | Path, folder: Path, **environment: str) -> None:
    finished = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def _email() -> str:
    return f"client-{uuid.uuid4().hex}@example.com"


def test_python_client(server: Server, tmp_path: Path) -> None:
    tools = Path(sys.executable).parent
    # It knows bodies that are files, but none that are text, and would leave out that way to send the same file.
    (tmp_path / "generator.json").write_text('{"content_type_overrides": {"text/plain": "application/octet-stream"}}')
    _run(
        tools / "openapi-python-client",
        *("generate", "--url", f"{server.url}/v1/openapi.json", "--output-path", tmp_path / "todo_client"),
        *("--meta", "none", "--fail-on-warning", "--config", tmp_path / "generator.json"),
        folder=tmp_path,
        PATH=f"{tools}:{os.environ['PATH']}",  # the generator tidies up with ruff
    )

    _run(sys.executable, CLIENTS / "smoke.py", server.url, _email(), folder=tmp_path, PYTHONPATH=str(tmp_path))


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The generator and the compiler in the versions of the lock file, installed once."""
    if not (shutil.which("node") and shutil.which("npm")):
        assert not os.environ.get("CI"), "node and npm are needed; .ci/run installs them on Debian"
        pytest.skip("THE TYPESCRIPT CLIENT IS NOT TESTED: node and npm are missing")
    lock, installed = CLIENTS / "package-lock.json", MODULES / "installed.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=CLIENTS)
        shutil.copy(lock, installed)
    return MODULES


# What `redocly lint` does, with the library that the generator brings along.
LINT = """
import core from "@redocly/openapi-core";
const config = await core.createConfig({ extends: ["recommended"] });
const problems = await core.lint({ ref: process.argv[2], config });
const told = problems.filter((one) => one.severity === "error");
for (const { ruleId, message, location } of told) console.error(ruleId, message, location[0].pointer);
process.exit(told.length ? 1 : 0);
"""


def test_linter_finds_no_error(server: Server, node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "lint.mjs").write_text(LINT)
    _run("node", "lint.mjs", f"{server.url}/v1/openapi.json", folder=tmp_path)


def test_typescript_client(server: Server, node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules)
    shutil.copy(CLIENTS / "package.json", tmp_path)  # it says that our files are modules
    shutil.copy(CLIENTS / "smoke.ts", tmp_path)
    tools = node_modules / ".bin"
    document = f"{server.url}/v1/openapi.json"
    _run(tools / "openapi-typescript", document, "--default-non-nullable=false", "-o", "schema.d.ts", folder=tmp_path)
    _run(
        tools / "tsc",
        *("--strict", "--noUncheckedIndexedAccess", "--noEmitOnError", "--skipLibCheck", "false"),
        *("--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable"),
        "smoke.ts",
        folder=tmp_path,
    )

    _run("node", "smoke.js", server.url, _email(), folder=tmp_path)


def test_todoists_sdk_for_javascript(server: Server, node_modules: Path, tmp_path: Path) -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, version.strip().removeprefix("v").split("."))) < _NODE_OF_SDK:
        pytest.skip(f"TODOIST'S SDK FOR JAVASCRIPT IS NOT TRIED: it needs Node 20.18.1, and this is {version}")
    (tmp_path / "node_modules").symlink_to(node_modules)
    shutil.copy(CLIENTS / "package.json", tmp_path)
    shutil.copy(CLIENTS / "todoist.js", tmp_path)

    _run("node", "todoist.js", server.url, session_at(server.url)["token"], folder=tmp_path)


_NODE_OF_SDK = (20, 18, 1)


def test_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (CLIENTS / "package-lock.json").read_text("utf-8")
