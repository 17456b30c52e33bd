"""Traces and Sentry: sent by a real server to a real receiver, and nobody's data in them."""

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.product.test_start import register
from tests.support.collectors import Receiver
from tests.support.people import PASSWORD
from tests.support.postgres.databases import connect
from tests.support.processes.servers import ROOT, Server
from todoproject.database import embedded

pytestmark = pytest.mark.faults

SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "the-secret-title"


@contextmanager
def broken_inserts() -> Iterator[None]:
    """Let the database refuse every new task with an error that nobody has foreseen, and that quotes the title."""
    with connect(embedded.DATABASE, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'broken by %', NEW.title; END $$;"
            " CREATE TRIGGER broken BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION break()"
        )
        try:
            yield
        finally:
            connection.execute("DROP TRIGGER broken ON tasks; DROP FUNCTION break()")


class Story:
    """What a server has sent and logged of a few requests: good ones, a strange path, a database that is broken."""

    def __init__(self, receiver: Receiver, log: str, headers: dict[str, str], task: str) -> None:
        self.receiver = receiver
        self.lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        self.headers = headers
        self.task = task


@pytest.fixture(scope="module")
def story(postgres: None) -> Iterator[Story]:
    with Receiver() as receiver:
        where = f"127.0.0.1:{receiver.port}"
        observing = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{where}", "SENTRY_DSN": f"http://public@{where}/7"}
        with Server(**observing, OTEL_SERVICE_NAME="todo-tests") as server:
            headers = register(server, "traced@example.com")
            with httpx.Client(base_url=server.url, headers=headers) as http:
                created = http.post(
                    "/v1/tasks",
                    json={"title": SECRET},
                    headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "req-1"},
                ).json()
                http.get(f"/v1/tasks/{created['id']}", headers={"traceparent": "nonsense", "X-Request-ID": "req-2"})
                http.get(f"/v1/nothing/{SECRET}", headers={"X-Request-ID": "req-3"})
                http.get("/docs", headers={"X-Request-ID": "req-4"})
                http.get("/v1/tasks", params={"q": SECRET}, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
                with broken_inserts():
                    assert (
                        http.post("/v1/tasks", json={"title": SECRET}, headers={"X-Request-ID": "req-5"}).status_code
                        == 500
                    )
            server.stop()
            yield Story(receiver, server.log, headers, created["id"])


def server_span(story: Story, request_id: str) -> Any:
    """Return the span of the request whose access line names this id."""
    [line] = [line for line in story.lines if line["event"] == "request" and line["request_id"] == request_id]
    [span] = [
        span for span in story.receiver.spans() if span.kind == SERVER and span.trace_id.hex() == line["trace_id"]
    ]
    return span


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def test_request_continues_the_trace_that_it_names(story: Story) -> None:
    span = server_span(story, "req-1")

    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.name) == (TRACE, PARENT, "POST /v1/tasks")
    assert attributes(span) == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": "/v1/tasks",
        "http.response.status_code": 201,
    }


def test_statement_is_a_client_span_inside_its_request(story: Story) -> None:
    request = server_span(story, "req-2")
    [statement] = [span for span in story.receiver.spans() if span.parent_span_id == request.span_id]

    assert (statement.kind, statement.name, statement.trace_id) == (CLIENT, "SELECT", request.trace_id)
    assert request.start_time_unix_nano <= statement.start_time_unix_nano < statement.end_time_unix_nano
    assert statement.end_time_unix_nano <= request.end_time_unix_nano
    assert attributes(statement)["db.system.name"] == "postgresql"
    assert "$1" in attributes(statement)["db.query.text"]


def test_unreadable_traceparent_begins_a_trace(story: Story) -> None:
    span = server_span(story, "req-2")

    assert (span.parent_span_id, span.trace_id.hex() != TRACE) == (b"", True)


def test_path_that_is_none_has_no_route(story: Story) -> None:
    span = server_span(story, "req-3")

    assert (span.name, attributes(span)["http.response.status_code"]) == ("GET", 404)


def test_pages_are_traced_too(story: Story) -> None:
    assert server_span(story, "req-4").name == "GET /docs"


def test_caller_decides_what_is_sampled(story: Story) -> None:
    assert "GET /v1/tasks" not in {span.name for span in story.receiver.spans()}
    assert {
        line["trace_id"] for line in story.lines if line.get("route") == "/v1/tasks" and line["method"] == "GET"
    } == {TRACE}


def test_failed_request_is_a_failed_span(story: Story) -> None:
    span = server_span(story, "req-5")

    assert (span.status.code, attributes(span)["error.type"]) == (Status.STATUS_CODE_ERROR, "500")


def test_unforeseen_error_reaches_sentry_once_with_its_stack(story: Story) -> None:
    [event] = story.receiver.events()

    [*_, error] = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("RaiseException", "")
    assert "todoproject/database/client/unit.py" in {frame["filename"] for frame in error["stacktrace"]["frames"]}
    assert not [frame for frame in error["stacktrace"]["frames"] if "vars" in frame]
    assert event["extra"]["request_id"] == "req-5"
    assert event["tags"] == {"route": "/v1/tasks"}
    assert event["logentry"] == {"message": "unhandled error"}
    assert not {"user", "request", "breadcrumbs"} & event.keys()


def test_nobody_s_data_is_sent(story: Story) -> None:
    """The log, of which an operator is the master, has the message under the same request id."""
    sent = story.receiver.everything
    token = story.headers["Authorization"].removeprefix("Bearer ")

    assert len(sent) > 1000
    for data in (
        SECRET,
        "traced@example.com",
        token,
        PASSWORD,
        story.task,
        "127.0.0.1:5",
        "User-Agent",
        "python-httpx",
    ):
        assert data.encode() not in sent
    [line] = [line for line in story.lines if line["event"] == "unhandled error"]
    assert (line["request_id"], f"broken by {SECRET}" in line["exception"]) == ("req-5", True)


def test_service_has_the_name_that_the_operator_gave_it(story: Story) -> None:
    assert b"todo-tests" in story.receiver.everything


def test_absent_receivers_cost_no_request_and_delay_the_end_by_seconds_at_most(postgres: None) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SENTRY_DSN": "http://public@127.0.0.1:9/7"}
    with Server(**nowhere) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 15


# --- Where it is not wanted, or not there ---------------------------------------------------------

LOADED = "import sys, todoproject.asgi; print(sorted({name.split('.')[0] for name in sys.modules}))"
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("sentry_sdk", "opentelemetry"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import todoproject.asgi
"""


def run(program: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command, environment = [sys.executable, "-c", program], {**os.environ, **settings}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_nothing_of_either_is_loaded_without_its_setting() -> None:
    loaded = run(LOADED).stdout

    assert "todoproject" in loaded
    assert "sentry_sdk" not in loaded
    assert "opentelemetry" not in loaded


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"SENTRY_DSN": "https://key@sentry.example.com/1"},
            "SENTRY_DSN needs a package that is not installed: pip install '.[sentry]'.",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT needs a package that is not installed: pip install '.[tracing]'.",
        ),
    ],
)
def test_setting_without_its_package_stops_the_start_with_one_line(settings: dict[str, str], line: str) -> None:
    ended = run(WITHOUT, **settings)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"todoproject: {line}")
    assert len(ended.stderr.splitlines()) == 1


def test_extras_are_the_versions_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [wanted for extra in project["project"]["optional-dependencies"].values() for wanted in extra]

    assert set(extras) <= set(project["dependency-groups"]["dev"])
