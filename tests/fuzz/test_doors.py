"""What is behind the doors, fuzzed from a document that is made of what is mounted: every check, and no finding."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from doors.mounting import DOORS
from tests.fuzz.test_fuzz import fuzz, register
from tests.support.doors.document import document
from tests.support.doors.operations import operations
from tests.support.processes.servers import Server

CONFIGURATION = Path(__file__).with_name("doors.toml")


@pytest.fixture(scope="module")
def headers(server: Server) -> dict[str, str]:
    return register(server)


@pytest.fixture(scope="module")
def secrets(server: Server, headers: dict[str, str]) -> Iterator[dict[str, str]]:
    """The secrets of addresses, by their doors."""
    asked = {"name": "todos", "kind": "backend", "scopes": ["tasks:read", "tasks:write"]}
    with httpx.Client(base_url=server.url, headers=headers) as http:
        url = http.post("/v1/calendars", json={"all": True}).json()["url"]
        yield {
            "todo-backend": http.post("/v1/tokens", json=asked).json()["token"],
            "calendar": url.rsplit("/", 1)[1].removesuffix(".ics"),
        }


def test_the_document_has_every_operation() -> None:
    told = {f"{method.upper()} {path}" for path, methods in document({})["paths"].items() for method in methods}
    assert told == {operation.id for operation in operations() if not operation.part}


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.parametrize("door", DOORS)
def test_fuzzer_finds_nothing_behind_a_door(
    server: Server, tmp_path: Path, door: str, headers: dict[str, str], secrets: dict[str, str]
) -> None:
    of_doors = tmp_path / "doors.json"
    of_doors.write_text(json.dumps(document(secrets)))
    logged = len(server.log)

    fuzz(
        server,
        tmp_path,
        {} if door in secrets else headers,
        f"--url={server.url}",
        f"--include-tag={door}",
        "--max-examples=5",
        "--workers=1",  # what reads the sources of lambdas falls over its own feet in Python 3.11
        document=str(of_doors),
        configuration=CONFIGURATION,
    )

    assert '"level":"ERROR"' not in server.log[logged:]
    assert not [secret for secret in secrets.values() if secret in server.log]
    assert httpx.get(f"{server.url}/v1/me", headers=headers).status_code == 200
