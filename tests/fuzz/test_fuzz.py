"""The API fuzzed from its own document: every check that schemathesis has, with a token, and no finding."""

import os
import secrets
import subprocess
import sys
import uuid
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from tests.support.people import PASSWORD, header_at
from tests.support.processes.servers import Server

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
TESTS = Path(__file__).parent.parent
HOOKS, DOCUMENT = TESTS / "support" / "fuzzing.py", TESTS / "openapi.json"
IDS = ("batch", "by-external-id", "batches", "0197c2d5-5a44-7abc-8def-000000000000")
# They would end the token that the others are tried with.
ENDING = ("logout", "logout_everywhere", "end_session", "revoke_token")


def register(server: Server) -> dict[str, str]:
    email = f"fuzz-{uuid.uuid4().hex}@example.com"
    # Not the password of the document's examples, with which the account would be erased at the first try.
    return header_at(server.url, email=email, password=f"{PASSWORD} {email}")


def fuzz(
    server: Server,
    folder: Path,
    headers: dict[str, str],
    *options: str,
    document: str = "",
    configuration: Path = CONFIGURATION,
) -> None:
    """Run the fuzzer over a document, the API's own unless it is told another one."""
    finished = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={configuration}",
            "run",
            document or f"{server.url}/v1/openapi.json",
            "--checks=all",
            *(f"--header={name}: {value}" for name, value in headers.items()),
            "--max-examples=8",
            "--workers=2",
            *options,
            "--no-color",
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " passed" in finished.stdout


def test_value_that_makes_another_path_is_known() -> None:
    """Known to have failed a run: the stateful phase takes `batch` from one path and tries it as an id in another."""
    import schemathesis  # seconds, which no other test should wait for

    from tests.support import fuzzing

    schema = schemathesis.openapi.from_path(DOCUMENT)

    def leads_elsewhere(path: str, method: str, task_id: str) -> bool:
        return fuzzing.is_another_path(schema[path][method].Case(path_parameters={"task_id": task_id}))

    found = {task_id: leads_elsewhere("/v1/tasks/{task_id}", "GET", task_id) for task_id in IDS}
    assert found == {
        "batch": True,
        "by-external-id": True,
        "batches": False,
        "0197c2d5-5a44-7abc-8def-000000000000": False,
    }
    found = {task_id: leads_elsewhere("/v1/tasks/{task_id}/move", "POST", task_id) for task_id in IDS}
    assert [task_id for task_id, elsewhere in found.items() if elsewhere] == ["by-external-id"]
    assert not fuzzing.is_another_path(schema["/v1/tasks/batch"]["POST"].Case())


def test_ticket_that_the_fuzzer_was_given_is_no_made_up_credential() -> None:
    """Known to have failed a run: what an answer holds is tried where a parameter has its name."""
    import schemathesis
    from schemathesis.openapi.checks import AuthScenario, IgnoredAuth

    from tests.support import fuzzing

    operation = schemathesis.openapi.from_path(DOCUMENT)["/v1/changes/stream"]["GET"]

    def is_finding(scenario: AuthScenario, query: dict[str, str]) -> bool:
        failure = IgnoredAuth(operation="stream_changes", message="let in", scenario=scenario)
        return fuzzing.filter_failure(Mock(), failure, operation.Case(query=query), Mock(status_code=200))

    given, made_up = {"ticket": secrets.token_urlsafe(32)}, {"ticket": "made up"}
    assert not is_finding(AuthScenario.GENERATED_AUTH, given)
    assert is_finding(AuthScenario.GENERATED_AUTH, made_up)
    assert is_finding(AuthScenario.GENERATED_AUTH, {})
    assert is_finding(AuthScenario.INVALID_AUTH, given)
    assert is_finding(AuthScenario.NO_AUTH, given)


def test_what_was_only_tried_is_neither_made_nor_deleted() -> None:
    import schemathesis
    from schemathesis.core.failures import Failure
    from schemathesis.openapi.checks import EnsureResourceAvailability, UseAfterFree

    from tests.support import fuzzing

    schema = schemathesis.openapi.from_path(DOCUMENT)
    tried, done = (schema["/v1/tasks/{task_id}"]["DELETE"].Case() for _ in range(2))
    made, kept = str(uuid.uuid4()), str(uuid.uuid4())
    fuzzing.after_call(Mock(), tried, Mock(headers={"dry-run": ["true"]}, text=f'{{"id":"{made}"}}'))
    fuzzing.after_call(Mock(), done, Mock(headers={}, text=f'{{"id":"{kept}"}}'))

    def is_finding(failure: Failure, task_id: str) -> bool:
        case = schema["/v1/tasks/{task_id}"]["GET"].Case(path_parameters={"task_id": task_id})
        return fuzzing.filter_failure(Mock(), failure, case, Mock(status_code=200))

    def used(case_id: str) -> Failure:
        return UseAfterFree(operation="", message="", free="", usage="", deleted_case_id=case_id)

    missing = EnsureResourceAvailability(operation="", message="", created_with="", not_available_with="")
    assert [is_finding(used(case.id), kept) for case in (tried, done)] == [False, True]
    assert [is_finding(missing, task_id) for task_id in (made, kept)] == [False, True]


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_fuzzer_finds_nothing(server: Server, tmp_path: Path) -> None:
    headers = register(server)

    fuzz(server, tmp_path, headers, *(f"--exclude-operation-id={name}" for name in ENDING))

    # What is refused for want of a good token proves nothing. One that ends never comes back: it was good throughout.
    assert httpx.get(f"{server.url}/v1/me", headers=headers).status_code == 200


@pytest.mark.fuzz
@pytest.mark.parametrize("operation", ENDING)
def test_fuzzer_finds_nothing_in_what_ends_tokens(server: Server, tmp_path: Path, operation: str) -> None:
    fuzz(server, tmp_path, register(server), f"--include-operation-id={operation}")
