"""A mistake in the settings ends the start with one line that helps; what is right is taken as it is meant.

Loading the settings takes half a second, most of it imports: one process does those and is forked for each case.
"""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import certifi
import pytest

from tests.support.processes.servers import ROOT
from todoproject import settings

SECRET = "kW3n-Zq8vT_5mXr1LdJ9cPyB7hGfA2sE0uKiNo4"
URL = "postgresql://todo:s3same@db.example.com/todo"
ENVIRONMENT = {"ENV_FILE": os.devnull, "ENVIRONMENT": "development", "SECRET_KEY": SECRET, "DATABASE_URL": "embedded"}
PRODUCTION = {"ENVIRONMENT": "production", "ALLOWED_HOSTS": "api.example.com", "DATABASE_URL": URL}
MAIL = {"EMAIL_URL": "smtps://user:s3same@mail.example.com", "DEFAULT_FROM_EMAIL": "todo@example.com"}

PROGRAM = """
import gc, json, os, sys, tempfile
from pathlib import Path
import environ, django.core.management, django.templatetags.static, django.urls
import todoproject.database.embedded, todoproject.database.url

def act(arguments):
    if arguments == ["show"]:
        from todoproject import settings
        shown = {name: value for name, value in vars(settings).items() if name.isupper()}
        print(json.dumps(shown, default=lambda value: str(value) if isinstance(value, Path) else None))
    else:
        sys.argv[1:] = arguments
        import manage
        manage.main()

def run(environment, arguments):
    output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    child = os.fork()
    if not child:
        os.dup2(output.fileno(), 1), os.dup2(errors.fileno(), 2)
        os.environ.clear(), os.environ.update(environment)
        code = 0
        try:
            act(arguments)
        except SystemExit as end: # as the interpreter does it, less its slow farewell
            code = end.code if isinstance(end.code, int) else print(end.code, file=sys.stderr) or 1
        sys.stdout.flush(), sys.stderr.flush(), os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    output.seek(0), errors.seek(0)
    return code, output.read().decode(), errors.read().decode()

gc.freeze() # so that a child does not copy what it never touches
for line in sys.stdin:
    print(json.dumps(run(*json.loads(line))), flush=True)
"""


class Outcome(NamedTuple):
    """What came of a command."""

    code: int
    output: str
    errors: str


class Starter:
    """Runs `manage.py` with an environment of the test's own and nothing else."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, environment: dict[str, str], *arguments: str) -> Outcome:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([environment, arguments]) + "\n")
        self.process.stdin.flush()
        return Outcome(*json.loads(self.process.stdout.readline()))

    def show(self, **environment: str) -> dict[str, Any]:
        """Return the settings that come of an environment."""
        outcome = self.run({**ENVIRONMENT, **environment}, "show")
        assert outcome.code == 0, outcome.errors
        shown: dict[str, Any] = json.loads(outcome.output)
        return shown


@pytest.fixture(scope="module")
def starter() -> Any:
    starter = Starter()
    with starter.process:
        yield starter


def assert_helps(outcome: Outcome, name: str) -> None:
    """Hold a refusal to its form: exit code 1, and one line that names the variable and gives an example."""
    assert (outcome.code, outcome.output) == (1, ""), outcome.errors
    assert len(outcome.errors.splitlines()) == 1, outcome.errors
    assert outcome.errors.startswith("todoproject: ")
    assert re.search(rf"\b{name}\b.+ Example: \S", outcome.errors), outcome.errors
    assert SECRET not in outcome.errors
    assert "s3same" not in outcome.errors


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"),
        ("DEBUG", "ture"),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "s3same"),
        ("SECRET_KEY", "s3same" * 10),
        ("SECRET_KEY", "generate-me"),
        ("SECRET_KEY", "django-insecure-s3same-0123456789-abcdefghijkl"),
        ("ALLOWED_HOSTS", "https://api.example.com"),
        ("ALLOWED_HOSTS", "api.example.com:8000"),
        ("ALLOWED_HOSTS", "*.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "admin.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "https://admin.example.com/admin/"),
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "99999"),
        ("PORT", "-1"),
        ("PORT", "٨٠"),
        ("WORKERS", "0"),
        ("TRUSTED_PROXIES", "the-proxy"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("DATABASE_SCHEMA", "public"),
        ("DATABASE_SCHEMA", "pg_todo"),
        ("DATABASE_SCHEMA", 'to"do'),
        ("MIGRATE_ON_START", "perhaps"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_POOL_TIMEOUT_SECONDS", "5s"),
        ("DATABASE_CONNECT_TIMEOUT_SECONDS", "1.5"),
        ("DATABASE_START_TIMEOUT_SECONDS", "-1"),
        ("DATABASE_STATEMENT_TIMEOUT_SECONDS", "0"),
        ("FIRST_STAFF_EMAIL", "admin"),
        ("TOKEN_LIFETIME_DAYS", "forever"),
        ("TOKEN_ROTATION_OVERLAP_SECONDS", "-1"),
        ("EMAIL_VERIFICATION", "true"),
        ("EMAIL_VERIFICATION_LIFETIME_SECONDS", "0"),
        ("PASSWORD_RESET_LIFETIME_SECONDS", "1 hour"),
        ("EMAIL_URL", "mail.example.com"),
        ("EMAIL_URL", "smtps://user:s3same#@mail.example.com"),
        ("EMAIL_URL", "smtp://user:s3same@mail.example.com"),
        ("DEFAULT_FROM_EMAIL", "Todo"),
        ("PUBLIC_URL", "todo.example.com"),
        ("PUBLIC_URL", "https://todo.example.com/?page=1"),
        ("PUBLIC_URL", "https://user@todo.example.com"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("SLOW_QUERY_MILLISECONDS", "0"),
        ("SLOW_QUERY_MILLISECONDS", "0.5"),
        ("SLOW_QUERY_MILLISECONDS", "never"),
        ("METRICS_ADDRESS", "metrics"),
        ("METRICS_ADDRESS", "0"),
        ("METRICS_ADDRESS", "127.0.0.1:99999"),
        ("METRICS_ADDRESS", "http://127.0.0.1:9100"),
        ("METRICS_TOKEN", "s3same"),
        ("METRICS_FOLDER", "/nowhere"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://127.0.0.1:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:s3same@127.0.0.1:4318"),
        ("SENTRY_DSN", "https://sentry.example.com/1"),
        ("SENTRY_DSN", "https://key@sentry.example.com"),
        ("SENTRY_DSN", "https://key:s3same@sentry.example.com/1"),
        ("ENV_FILE", "/nowhere/env"),
        ("ENV_FILE", "/"),
    ],
)
def test_bad_value_is_refused(starter: Starter, name: str, value: str) -> None:
    assert_helps(starter.run({**ENVIRONMENT, name: value}, "check"), name)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DIRECT_DATABASE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "mysql://todo:s3same@db.example.com/todo",
        "postgresql+psycopg://todo:s3same@db.example.com/todo",
        "Embedded!",
        "db.example.com/todo?password=s3same",
        "postgresql://",
        "postgresql://todo:s3same@/todo",
        "postgresql://todo:s3same@db.example.com",
        "postgresql://todo:s3same@db.example.com:port/todo",
        "postgresql://todo:s3same@db.example.com:0/todo",
        "postgresql://todo:s3same@db.example.com:99999/todo",
        "postgresql://todo:s3same@one.example.com:5432,two.example.com:5432/todo",
        "postgresql://todo:s3same#1@db.example.com/todo",
        "postgresql://todo:1/s3same@db.example.com/todo",
        "postgresql://todo:1?s3same@db.example.com/todo",
        "postgresql://todo:1/2?s3same@db.example.com/todo",
        "postgresql://todo:s3same℀@db.example.com/todo",
        "postgresql://todo:s3same@[::1/todo",
        "postgresql://todo:s3same@db.example.com/todo # ours",
        f"{URL}?options=-csearch_path%3Dtodo",
        f"{URL}?currentSchema=todo",
        f"{URL}?pgbouncer=true",
        f"{URL}?sslmode=require&sslmode=disable",
        f"{URL}?sslmode=disable",
        f"{URL}?sslmode=prefer",
        f"{URL}?sslmode=allow",
        f"{URL}?host=localhost&hostaddr=8.8.8.8&sslmode=disable",
        "postgresql://todo:s3same@8.8.8.8/todo?sslmode=disable",
        f"{URL}?sslrootcert=/nowhere/ca.pem",
        f"{URL}?sslmode=require&sslcert=/nowhere/client.pem",
        f"{URL}?connect_timeout=0",
        f"{URL}?replication=database",
        f"{URL}?service=elsewhere",
    ],
)
def test_bad_database_url_is_refused_without_its_password(starter: Starter, name: str, url: str) -> None:
    assert_helps(starter.run({**ENVIRONMENT, "DATABASE_URL": URL, name: url}, "check"), name)


@pytest.mark.parametrize(
    ("database", "replica"),
    [("embedded", URL), (URL, URL + "2"), (URL, URL), (URL, "mysql://todo:s3same@replica.example.com/todo")],
)
def test_replica_is_another_server_with_the_same_database(starter: Starter, database: str, replica: str) -> None:
    environment = {**ENVIRONMENT, "DATABASE_URL": database, "REPLICA_DATABASE_URL": replica}
    assert_helps(starter.run(environment, "check"), "REPLICA_DATABASE_URL")


def test_replica_is_reached_as_safely_as_its_primary_and_django_knows_nothing_of_it(starter: Starter) -> None:
    url = "postgresql://t:p@ep-b-2-pooler.eu.aws.neon.tech/todo"
    shown = starter.show(DATABASE_URL=url.replace("ep-b-2", "ep-a-1"), REPLICA_DATABASE_URL=url)

    assert shown["REPLICA_DATABASE"]["HOST"] == "ep-b-2-pooler.eu.aws.neon.tech"
    assert shown["REPLICA_DATABASE"]["OPTIONS"] == shown["DATABASES"]["default"]["OPTIONS"]
    assert list(shown["DATABASES"]) == ["default"]


@pytest.mark.parametrize(("name", "value"), [("DATABASE_URL", "embedded"), ("DIRECT_DATABASE_URL", URL + "2")])
def test_migrations_cannot_be_sent_to_another_database(starter: Starter, name: str, value: str) -> None:
    environment = {**ENVIRONMENT, "DATABASE_URL": URL, "DIRECT_DATABASE_URL": URL, name: value}
    assert_helps(starter.run(environment, "check"), "DIRECT_DATABASE_URL")


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL"])
def test_missing_value_is_named(starter: Starter, name: str) -> None:
    environment = {key: value for key, value in ENVIRONMENT.items() if key != name}
    assert_helps(starter.run(environment, "check"), name)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("DEBUG", {"DEBUG": "true"}),
        ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": ""}),
        ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "*"}),
        ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "api.example.com,*"}),
        ("SECRET_KEY", {"SECRET_KEY": "generate-me"}),
        ("EMAIL_URL", {"EMAIL_URL": "console"}),
        ("EMAIL_URL", {"EMAIL_VERIFICATION": "required", "PUBLIC_URL": "https://todo.example.com"}),
        ("PUBLIC_URL", {"EMAIL_VERIFICATION": "required", **MAIL}),
        ("PUBLIC_URL", {"PUBLIC_URL": "http://todo.example.com"}),
        ("DEFAULT_FROM_EMAIL", {"EMAIL_URL": "smtps://mail.example.com"}),
    ],
)
def test_production_refuses_what_is_fit_for_a_laptop(starter: Starter, name: str, changes: dict[str, str]) -> None:
    assert_helps(starter.run({**ENVIRONMENT, **PRODUCTION, **changes}, "check"), name)


def test_cookies_of_production_are_held_to_tls_and_the_host_by_their_names(starter: Starter) -> None:
    shown = starter.show(**PRODUCTION)
    assert (shown["SESSION_COOKIE_NAME"], shown["SESSION_COOKIE_SECURE"]) == ("__Secure-sessionid", True)
    assert (shown["CSRF_COOKIE_NAME"], shown["CSRF_COOKIE_SECURE"]) == ("__Host-csrftoken", True)
    assert starter.show()["SESSION_COOKIE_NAME"] == "sessionid"  # a laptop has no TLS


@pytest.mark.parametrize("hosts", ["api.example.com", "*", "localhost,.example.com"])
def test_debug_is_refused_on_a_public_host(starter: Starter, hosts: str) -> None:
    assert_helps(starter.run({**ENVIRONMENT, "DEBUG": "true", "ALLOWED_HOSTS": hosts}, "check"), "DEBUG")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("LOG_LEVEL", b"LOG_LEVL=DEBUG\n"),
        ("PORT", b"port=8000\n"),
        ("DATABASE_URL", b"DATABSE_URL=embedded\n"),
        (r"line 2", b"# a comment\nthe port is 8000\n"),
        (r"line 1", b"=8000\n"),
        ("UTF-8", b"PORT=\xff\n"),
        ("UTF-8", "PORT=8000\n".encode("utf-16-le")),
        ("PORT", b"PORT=8000 # the port\n"),
    ],
)
def test_unreadable_or_misspelt_line_is_told(starter: Starter, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    environment = {**ENVIRONMENT, "ENV_FILE": str(tmp_path / ".env")}
    if b"DATABSE" in content:
        del environment["DATABASE_URL"]

    outcome = starter.run(environment, "check")

    assert_helps(outcome, name)
    if b"DATABSE" in content:
        assert "DATABSE_URL" in outcome.errors


# --- What is taken --------------------------------------------------------------------------------


def test_all_mistakes_of_a_file_are_told_at_once(starter: Starter, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(
        'ENVIRONMENT=production\nSECRET_KEY=<python3 -c "import secrets">\nno setting at all\nPORT=http\nWORKRS=2\n'
        "DATABASE_URL=postgresql://todo:s3same@db.example.com/todo?sslmode=verify_full\nDEBUG=true\n"
        "DIRECT_DATABASE_URL=postgresql://todo:s3same@db.example.com/todo\n"
    )
    outcome = starter.run({"ENV_FILE": str(path)}, "check")

    assert (outcome.code, outcome.output) == (1, "")
    lines = outcome.errors.splitlines()
    assert all(line.startswith("todoproject: ") and " Example: " in line for line in lines), outcome.errors
    named = sorted(re.findall(r"^todoproject: (?:\w+ (?=line))?(\w+)", outcome.errors, re.MULTILINE))
    assert named == ["ALLOWED_HOSTS", "DATABASE_URL", "DEBUG", "PORT", "SECRET_KEY", "WORKRS", "line"]
    assert "s3same" not in outcome.errors


def test_a_mistake_brings_no_complaint_that_rests_on_it(starter: Starter) -> None:
    changes = {"DATABASE_URL": "postgresql://db.example.com:0/todo", "DIRECT_DATABASE_URL": URL}

    assert_helps(starter.run({**ENVIRONMENT, **changes}, "check"), "DATABASE_URL")
    assert_helps(starter.run({**ENVIRONMENT, "ENVIRONMENT": "prod"}, "check"), "ENVIRONMENT")


@pytest.mark.parametrize("value", ["<python3 -c 'x'>", "$(python3 -c 'import secrets')", "`openssl rand -hex 32`"])
@pytest.mark.parametrize("name", ["SECRET_KEY", "METRICS_TOKEN", "EMAIL_URL", "DATABASE_URL"])
def test_what_was_pasted_and_not_filled_in_is_refused(starter: Starter, name: str, value: str) -> None:
    assert_helps(starter.run({**ENVIRONMENT, name: value}, "check", "--deploy"), name)


@pytest.mark.parametrize(
    "parameter", ["sslmode=verify_full", "sslmode=", "channel_binding=yes", "target_session_attrs=rw", "gssencmode=no"]
)
def test_value_that_libpq_would_refuse_is_refused_at_the_start(starter: Starter, parameter: str) -> None:
    assert_helps(starter.run({**ENVIRONMENT, "DATABASE_URL": f"{URL}?{parameter}"}, "check"), "DATABASE_URL")


def test_setting_that_stands_twice_is_refused(starter: Starter, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(f"SECRET_KEY={SECRET}\nDATABASE_URL=embedded\nWORKERS=2\nPORT=8001\nWORKERS=3\n")
    outcome = starter.run({"ENV_FILE": str(path), "ENVIRONMENT": "development"}, "check")

    assert_helps(outcome, "WORKERS")
    assert "lines 3 and 5" in outcome.errors


def test_without_a_word_it_is_production(starter: Starter) -> None:
    shown = starter.show(**{**PRODUCTION, "ENVIRONMENT": ""})

    assert (shown["PRODUCTION"], shown["DEBUG"], shown["LOG_FORMAT"]) == (True, False, "json")
    assert shown["MIGRATE_ON_START"] is False
    assert shown["SESSION_COOKIE_SECURE"] is True


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, {"HOST": "db.example.com", "NAME": "todo", "USER": "todo", "PASSWORD": "s3same", "PORT": ""}),
        ("postgresql://t:p%40ss%2Fw%23%25@h/todo", {"PASSWORD": "p@ss/w#%", "HOST": "h"}),
        ("postgres://t@[2001:db8::1]:5433/todo", {"HOST": "2001:db8::1", "PORT": 5433}),
        ("postgresql:///todo?host=/tmp", {"HOST": "/tmp", "NAME": "todo"}),  # noqa: S108 -- no file is made
        ("postgresql://%2Fvar%2FRun:5433/todo", {"HOST": "/var/Run", "PORT": 5433}),
    ],
)
def test_database_url_is_understood(starter: Starter, url: str, expected: dict[str, object]) -> None:
    database = starter.show(DATABASE_URL=url)["DATABASES"]["default"]
    assert {name: database[name] for name in expected} == expected


def test_neon_is_verified_and_migrated_directly(starter: Starter) -> None:
    shown = starter.show(DATABASE_URL="postgresql://t:p@ep-a-1-pooler.eu.aws.neon.tech/todo?sslmode=require")

    pooled, direct = shown["DATABASES"]["default"], shown["DIRECT_DATABASE"]
    assert (pooled["HOST"], direct["HOST"]) == ("ep-a-1-pooler.eu.aws.neon.tech", "ep-a-1.eu.aws.neon.tech")
    for database in (pooled, direct):
        assert database["OPTIONS"]["sslmode"] == "verify-full"
        assert database["OPTIONS"]["sslrootcert"] == certifi.where()


@pytest.mark.parametrize(
    ("query", "bundle"),
    [
        ("sslmode=verify-full", certifi.where()),
        ("sslmode=verify-ca&sslrootcert=system", certifi.where()),
        (f"sslmode=verify-full&sslrootcert={certifi.where()}", certifi.where()),
        ("sslrootcert=system", certifi.where()),
        ("sslmode=require", None),
    ],
)
def test_verified_connection_has_certificates(starter: Starter, query: str, bundle: str | None) -> None:
    options = starter.show(DATABASE_URL=f"{URL}?{query}")["DATABASES"]["default"]["OPTIONS"]
    assert options.get("sslrootcert") == bundle


@pytest.mark.parametrize(
    ("host", "query", "mode"),
    [
        ("db.example.com", "", "require"),
        ("db.example.com", "sslrootcert=system", "verify-full"),
        ("db.example.com", "sslmode=require&sslrootcert=system", "verify-full"),
        ("db.neon.tech.example.com", "sslmode=require", "require"),
        ("ep-a.eu.aws.neon.tech", "sslmode=disable", "verify-full"),
        ("db", "", "require"),
        ("db", "sslmode=disable", "disable"),
        ("db.internal", "sslmode=disable", "disable"),
        ("10.1.2.3", "sslmode=disable", "disable"),
        ("[fd00::1]", "sslmode=disable", "disable"),
        ("localhost", "", None),
        ("127.0.0.1", "sslmode=prefer", "prefer"),
        ("%2Fvar%2Frun", "", None),
    ],
)
def test_way_out_of_this_machine_is_encrypted_unless_it_is_short_and_said_so(
    starter: Starter, host: str, query: str, mode: str | None
) -> None:
    shown = starter.show(DATABASE_URL=f"postgresql://t:p@{host}/todo?{query}")
    assert shown["DATABASES"]["default"]["OPTIONS"].get("sslmode") == mode


def test_dead_way_is_noticed_by_the_operating_system(starter: Starter) -> None:
    options = starter.show(DATABASE_URL=URL)["DATABASES"]["default"]["OPTIONS"]
    assert (options["tcp_user_timeout"], options["keepalives_idle"]) == (5000, 30)


@pytest.mark.parametrize(
    "content",
    [
        b"PORT=8123",
        b'PORT="8123"\n',
        b"PORT='8123'\n",
        b"export PORT=8123\n",
        b"  PORT = 8123  \n",
        b"# first\r\n\r\nPORT=8123\r\n",
        b"\xef\xbb\xbfPORT=8123\n",
        b"SOMEBODY_ELSES=1\nPORT=8123\n",
    ],
)
def test_env_file_is_read_however_it_was_written(starter: Starter, tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert starter.show(ENV_FILE=str(tmp_path / ".env"))["PORT"] == 8123


def test_hash_in_a_value_is_part_of_it(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"SECRET_KEY='{SECRET}#1'\n")
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "SECRET_KEY"}

    outcome = starter.run({**environment, "ENV_FILE": str(tmp_path / ".env")}, "show")

    assert json.loads(outcome.output)["SECRET_KEY"] == f"{SECRET}#1"


def test_environment_wins_over_the_file(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=8123\n")
    assert starter.show(ENV_FILE=str(tmp_path / ".env"), PORT="8456")["PORT"] == 8456


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ["127.0.0.1", 9100]),
        ("0.0.0.0:9100", ["0.0.0.0", 9100]),  # noqa: S104 -- what an operator may want
        ("[::1]:9100", ["::1", 9100]),
        ("metrics.internal:9100", ["metrics.internal", 9100]),
    ],
)
def test_port_of_the_metrics_is_this_machine_s_unless_it_says_more(
    starter: Starter, text: str, address: list[object]
) -> None:
    assert starter.show(METRICS_ADDRESS=text)["METRICS_ADDRESS"] == address


def test_slow_is_told_in_milliseconds_and_kept_in_seconds(starter: Starter) -> None:
    assert starter.show(SLOW_QUERY_MILLISECONDS="1500")["SLOW_QUERY_SECONDS"] == 1.5
    assert starter.show(SLOW_QUERY_MILLISECONDS="off")["SLOW_QUERY_SECONDS"] == math.inf


def test_variables_of_opentelemetry_are_no_misspelt_ones_of_ours(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nOTEL_EXPORTER_OTLP_TRACES_ENDPOINT=x\n")

    assert starter.show(ENV_FILE=str(tmp_path / ".env"))["OTEL_EXPORTER_OTLP_ENDPOINT"] == ""


# --- .env.example ---------------------------------------------------------------------------------

EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
EXAMPLE_LINE = re.compile(r"^(# )?([A-Z_]+)=(.*)$", re.MULTILINE)


def test_example_has_every_setting_once_in_the_order_of_the_code() -> None:
    assert [name for _, name, _ in EXAMPLE_LINE.findall(EXAMPLE)] == list(settings.env.examples)


def test_example_sets_what_a_first_start_needs_and_no_more() -> None:
    active = {name: value for comment, name, value in EXAMPLE_LINE.findall(EXAMPLE) if not comment}
    assert active == {
        "ENVIRONMENT": "development",
        "SECRET_KEY": "generate-me",
        "DATABASE_URL": "embedded",
        "FIRST_STAFF_EMAIL": "admin@example.com",
    }


def test_example_tells_the_defaults(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / "as-it-is").write_text(EXAMPLE)
    (tmp_path / "all-active").write_text(EXAMPLE_LINE.sub(r"\2=\3", EXAMPLE))

    as_it_is = starter.show(ENV_FILE=str(tmp_path / "as-it-is"))
    all_active = starter.show(ENV_FILE=str(tmp_path / "all-active"))

    for shown in (as_it_is, all_active):
        shown["EMBEDDED_DATA_DIR"] = str(ROOT / shown["EMBEDDED_DATA_DIR"])
        del shown["ENV_FILE"]
    assert all_active == as_it_is
