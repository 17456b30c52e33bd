"""The API fuzzed from its own document: every check that schemathesis has, with a token, and no finding."""

import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest

from tests.people import PASSWORD
from tests.servers import Server

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.fuzz
def test_fuzzer_finds_nothing(server: Server, tmp_path: Path) -> None:
    email = f"fuzz-{uuid.uuid4().hex}@example.com"
    # Not the password of the document's examples, with which the account would be erased at the first try.
    password = f"{PASSWORD} {email}"
    session = httpx.post(f"{server.url}/v1/auth/register", json={"email": email, "password": password}).json()

    finished = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={CONFIGURATION}",
            "run",
            f"{server.url}/v1/openapi.json",
            "--checks=all",
            f"--header=Authorization: Bearer {session['token']}",
            "--exclude-operation-id=logout",  # it would end the token that the others are tried with
            "--max-examples=30",
            "--workers=2",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " passed" in finished.stdout
    # What is refused for want of a good token proves nothing, and what has ended never comes back: it was good throughout.
    me = httpx.get(f"{server.url}/v1/me", headers={"Authorization": f"Bearer {session['token']}"})
    assert me.status_code == 200
