"""Todoist's own SDK works against a server of ours: every method that it has, and what our page says of each."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.people import session_at
from tests.support.processes.servers import ROOT, Server

pytestmark = pytest.mark.clients


@pytest.fixture(autouse=True)
def _sdk() -> None:
    if find_spec("todoist_api_python") is None:
        assert not os.environ.get("CI"), "todoist-api-python is needed; it is in the group dev of pyproject.toml"
        pytest.skip("TODOIST'S SDK IS NOT TRIED: todoist-api-python is missing")


def test_every_method_of_todoists_sdk_does_what_our_page_says(server: Server) -> None:
    script = Path(__file__).parent / "todoist.py"
    token = session_at(server.url)["token"]

    finished = subprocess.run(
        [sys.executable, script, server.url, token], capture_output=True, text=True, timeout=120, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_page_names_every_method() -> None:
    from todoist_api_python.api import TodoistAPI

    methods = {name for name in vars(TodoistAPI) if not name.startswith("_")}
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "doors.md").read_text("utf-8")))

    assert methods <= told, methods - told
