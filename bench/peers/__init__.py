"""Who is compared: how each is started, where its data is, and what its clients prove themselves with."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from bench.load import http_request

ROOT = Path(__file__).parent.parent.parent
PEERS = Path(__file__).parent

SECRET = "made up for the benchmark, and long enough to pass"
# The product's default, and the same number for everybody.
CONNECTIONS = 8


@dataclass(frozen=True)
class Credentials:
    """What there is of one user; each stack takes what it works with."""

    user_id: str
    token: str
    key: str


@dataclass(frozen=True)
class Family:
    """Peers that share tables."""

    name: str
    migrate: list[str]
    environment: Callable[[str], dict[str, str]]  # from the database's URL
    fill: Path
    restore: str  # SQL that takes back what was created and deleted: the data of the fill is older than July
    sources: Sequence[str]  # what the tables come from
    members: str = ""  # what tasks have besides: a word that the SQL of the fill knows


@dataclass(frozen=True)
class Login:
    """The requests that register an account and log it in, by its e-mail."""

    register: Callable[[str], bytes]
    login: Callable[[str], bytes]


@dataclass(frozen=True)
class Build:
    """What makes a peer's program out of its folder, and what that needs."""

    folder: Path
    programs: Sequence[str]
    command: list[str]
    hint: str  # how to get what it needs
    environment: Mapping[str, str] = field(default_factory=dict)
    made: str = ""  # a file that is newer than `source` when there is nothing to do
    source: str = ""

    def is_done(self) -> bool:
        """Tell whether there is nothing to do."""
        made, source = self.folder / self.made, self.folder / self.source
        return made.is_file() and source.is_file() and made.stat().st_mtime >= source.stat().st_mtime


@dataclass(frozen=True)
class Peer:
    """A server to be measured."""

    name: str
    title: str
    family: Family
    command: Callable[[int, int], list[str]]  # from a port and the number of workers
    bearer: Callable[[Credentials], str]
    login: Login | None = None
    has_batch: bool = False
    is_ceiling: bool = False  # no peer, but what can be reached at all
    build: Build | None = None  # of those that are no Python


def python(*arguments: str) -> list[str]:
    """Return a command of this Python."""
    return [sys.executable, *arguments]


def uvicorn(application: str, *options: str) -> Callable[[int, int], list[str]]:
    """Return how uvicorn is started; it takes uvloop and httptools because both are installed."""

    def command(port: int, workers: int) -> list[str]:
        return python("-m", "uvicorn", application, *options, "--port", str(port), "--workers", str(workers))

    return command


def _ours_environment(url: str) -> dict[str, str]:
    """Return production's settings. The limits count every request, as they ship, but none is ever reached."""
    return {
        "ENV_FILE": os.devnull,
        "ENVIRONMENT": "production",
        "SECRET_KEY": SECRET,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": url,
        "DATABASE_POOL_SIZE": str(CONNECTIONS),
        **dict.fromkeys(("RATE_LIMIT", "RATE_LIMIT_ANONYMOUS", "LOGIN_LIMIT", "REGISTER_LIMIT"), "1000000/1"),
    }


def _peer_environment(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "SECRET_KEY": SECRET, "POOL_SIZE": str(CONNECTIONS)}


def _sqlmodel_environment(url: str) -> dict[str, str]:
    return _peer_environment(url.replace("postgresql://", "postgresql+asyncpg://"))


def _plain_environment(url: str) -> dict[str, str]:
    """Return the database as the drivers of Node and Go read it by themselves: libpq's variables."""
    parts = urlsplit(url)
    place = {
        "PGHOST": parse_qs(parts.query)["host"][0],
        "PGUSER": parts.username or "",
        "PGDATABASE": parts.path.removeprefix("/"),
    }
    return {**_peer_environment(url), **place, "NODE_ENV": "production"}


def _jwt(credentials: Credentials) -> str:
    import jwt  # of the bench's own requirements, which the tests do without

    expires = datetime.now(UTC) + timedelta(days=8)
    return str(jwt.encode({"exp": expires, "sub": credentials.user_id}, SECRET, algorithm="HS256"))


_PASSWORD = "correct horse battery staple"


def _post_account(path: str) -> Callable[[str], bytes]:
    def request(email: str) -> bytes:
        return http_request("POST", path, body=json.dumps({"email": email, "password": _PASSWORD}).encode())

    return request


def _post_form(email: str) -> bytes:
    body = urlencode({"username": email, "password": _PASSWORD}).encode()
    return http_request("POST", "/v1/login/access-token", body=body, kind="application/x-www-form-urlencoded")


OURS_FAMILY = Family(
    name="ours",
    migrate=python("manage.py", "migrate", "--verbosity=0"),
    environment=_ours_environment,
    fill=PEERS / "ours.sql",
    restore="""
        SET session_replication_role = replica;
        DELETE FROM todo.reminders USING todo.tasks
         WHERE tasks.created_at > '2026-07-01' AND (task_id, reminders.user_id) = (tasks.id, tasks.user_id);
        DELETE FROM todo.tasks WHERE created_at > '2026-07-01';
        UPDATE todo.tasks SET deleted_at = NULL WHERE deleted_at > '2026-07-01'
    """,
    sources=("accounts/migrations/*.py", "tasks/migrations/*.py", "bench/peers/ours.sql"),
)
SQLMODEL_FAMILY = Family(
    name="sqlmodel",
    migrate=python("-m", "bench.peers.fastapi_sqlmodel.create"),
    environment=_sqlmodel_environment,
    fill=PEERS / "fastapi_sqlmodel" / "fill.sql",
    restore="""
        DELETE FROM task WHERE created_at > '2026-07-01';
        INSERT INTO task SELECT * FROM bench.spare ON CONFLICT DO NOTHING
    """,
    sources=("bench/peers/fastapi_sqlmodel/models.py", "bench/peers/fastapi_sqlmodel/fill.sql"),
)

NINJA_FAMILY = Family(
    name="ninja",
    migrate=python("-m", "django", "migrate", "--verbosity=0", "--settings=bench.peers.django_ninja.settings"),
    environment=_peer_environment,
    fill=PEERS / "django_ninja" / "fill.sql",
    restore="""
        DELETE FROM django_ninja_task WHERE created_at > '2026-07-01';
        INSERT INTO django_ninja_task SELECT * FROM bench.spare ON CONFLICT DO NOTHING
    """,
    sources=("bench/peers/django_ninja/migrations/*.py", "bench/peers/django_ninja/fill.sql"),
)

PLAIN_FAMILY = Family(
    name="plain",
    migrate=python("-m", "bench.peers.plain_sql.create"),
    environment=_plain_environment,
    fill=PEERS / "plain_sql" / "fill.sql",
    restore="""
        DELETE FROM tasks WHERE created_at > '2026-07-01';
        INSERT INTO tasks SELECT * FROM bench.spare ON CONFLICT DO NOTHING
    """,
    sources=("bench/peers/plain_sql/*.sql",),
)

OURS = Peer(
    name="ours",
    title="ours",
    family=OURS_FAMILY,
    command=lambda port, workers: python("manage.py", "runserver", f"127.0.0.1:{port}", f"--workers={workers}"),
    bearer=lambda user: user.token,
    login=Login(_post_account("/v1/auth/register"), _post_account("/v1/auth/login")),
    has_batch=True,
)
# The same with more in each task: what it costs is compared with the one above, on data of its own.
FULL = replace(
    OURS,
    name="full",
    title="ours, five labels, two reminders",
    family=replace(OURS_FAMILY, name="full", members="full"),
)
LISTS = replace(OURS, name="lists", title="ours, in lists", family=replace(OURS_FAMILY, name="lists", members="lists"))
SQLMODEL = Peer(
    name="sqlmodel",
    title="FastAPI + SQLModel",
    family=SQLMODEL_FAMILY,
    command=uvicorn("bench.peers.fastapi_sqlmodel.main:app"),
    bearer=_jwt,
    login=Login(_post_account("/v1/users/signup"), _post_form),
)
NINJA = Peer(
    name="ninja",
    title="Django Ninja, stock",
    family=NINJA_FAMILY,
    command=uvicorn("bench.peers.django_ninja.asgi:application"),
    bearer=lambda user: user.key,
)
_FASTIFY, _GO = PEERS / "fastify", PEERS / "go_pgx"
FASTIFY = Peer(
    name="fastify",
    title="Fastify",
    family=PLAIN_FAMILY,
    command=lambda port, workers: ["node", str(_FASTIFY / "server.js"), str(port), str(workers)],
    bearer=_jwt,
    build=Build(
        folder=_FASTIFY,
        programs=("node", "npm"),
        command=["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        hint="Node 20 or newer: apt install nodejs npm, or brew install node",
        made="node_modules/.package-lock.json",
        source="package-lock.json",
    ),
)
GO = Peer(
    name="go",
    title="Go + pgx",
    family=PLAIN_FAMILY,
    command=lambda port, workers: [str(_GO / "server"), str(port), str(workers)],
    bearer=_jwt,
    build=Build(
        folder=_GO,
        programs=("go",),
        command=["go", "build", "-o", "server", "."],
        hint="apt install golang-go golang-github-jackc-pgx-v4-dev golang-github-golang-jwt-jwt-dev",
        environment={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"},  # where Debian has its packages
    ),
)
FLOOR = Peer(
    name="floor",
    title="floor",
    family=OURS_FAMILY,
    command=uvicorn("bench.peers.floor:application", "--no-access-log"),
    bearer=lambda user: user.user_id,
)
HELLO = Peer(
    name="hello",
    title="empty answer",
    family=OURS_FAMILY,
    command=uvicorn("bench.peers.hello:application", "--no-access-log", "--lifespan=off"),
    bearer=lambda user: user.token,
    is_ceiling=True,
)

ALL: Mapping[str, Peer] = {peer.name: peer for peer in (OURS, SQLMODEL, NINJA, FASTIFY, GO, FLOOR, HELLO)}
