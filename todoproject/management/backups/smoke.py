"""A server on a restored database, and what somebody with a token and a stranger can do there."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from uuid_utils.compat import uuid7

from accounts import tokens
from accounts.models import Scope
from todoproject.database import direct_connection
from todoproject.management.backups import scratch
from todoproject.management.backups.errors import BackupError

_START_SECONDS = 120  # an older backup is migrated first

# Somebody with tasks, if there is anybody.
_OWNER = """
SELECT u.id, (SELECT count(*) FROM {schema}.tasks WHERE user_id = u.id AND deleted_at IS NULL) AS live,
       (SELECT id FROM {schema}.tasks WHERE user_id = u.id AND deleted_at IS NULL ORDER BY key DESC LIMIT 1)
  FROM {schema}.users u LEFT JOIN {schema}.tasks t ON t.user_id = u.id AND t.deleted_at IS NULL
 WHERE u.is_active ORDER BY t.key DESC NULLS LAST LIMIT 1
"""
_LET_IN = """
INSERT INTO {schema}.access_tokens (id, user_id, kind, name, digest, scopes, expires_at)
VALUES (%s, %s, 'personal', 'verifybackup', %s, %s, now() + interval '1 hour')
"""


def test(connection: BaseDatabaseWrapper, tell: Callable[[str], None]) -> list[str]:
    """Serve the database, use its API, and return what was tried. Raises BackupError where an answer is wrong."""
    tell("starting a server on it")
    with _serving(scratch.url(connection)) as address:
        tell("using its API")
        api = _Api(address)
        api.get("/health/ready")
        task = _read_as_owner(api, connection)
        _write_as_stranger(api, task)
        return api.done


class _Api:
    """Asks, compares the status, and keeps what was asked."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.token = ""
        self.done: list[str] = []

    def get(self, path: str, expected: int = 200) -> Any:
        return self.ask("GET", path, None, expected)

    def ask(self, method: str, path: str, body: object, expected: int) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._address}{path}", data, headers, method=method)  # noqa: S310 -- our own address
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                status, text = answer.status, answer.read()
        except HTTPError as error:
            status, text = error.code, error.read()
        except OSError as error:
            raise BackupError(f"the API does not answer {method} {path}: {error}") from error
        if status != expected:
            raise BackupError(f"the API answers {method} {path} with {status} instead of {expected}: {text[:300]!r}")
        self.done.append(f"{method} {path}: {status}")
        return json.loads(text) if text else None


def _read_as_owner(api: _Api, connection: BaseDatabaseWrapper) -> str | None:
    """Read a restored account through the API; return the id of one of its tasks."""
    schema, token = settings.DATABASE_SCHEMA, tokens.generate()
    with direct_connection.connected(connection) as session:
        found = session.execute(_OWNER.format(schema=schema)).fetchone()
        if found is None:
            return None
        owner, live, task = found
        session.execute(_LET_IN.format(schema=schema), [uuid7(), owner, tokens.digest(token), Scope.values])
    api.token = token
    if api.get("/v1/me")["id"] != str(owner):
        raise BackupError("the API takes a token for another account than the one it belongs to")
    total = api.get("/v1/tasks?limit=1&include=total")["total"]
    if total != live:
        raise BackupError(f"the API shows {total} tasks of an account that has {live}")
    if task:
        api.get(f"/v1/tasks/{task}")
    return str(task) if task else None


def _write_as_stranger(api: _Api, strange: str | None) -> None:
    """Register somebody new, who can write, and who cannot see what was restored."""
    account = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(20)}
    api.token = ""
    api.token = api.ask("POST", "/v1/auth/register", account, 201)["token"]
    if strange:
        api.get(f"/v1/tasks/{strange}", 404)
    path = f"/v1/tasks/{api.ask('POST', '/v1/tasks', {'title': 'Verify the backup'}, 201)['id']}"
    api.ask("PATCH", path, {"priority": "high"}, 200)
    api.ask("POST", f"{path}/complete", None, 200)
    if api.get("/v1/tasks?include=total")["total"] != 1:
        raise BackupError("the API shows a new account more than its own task")
    api.ask("DELETE", path, None, 204)
    api.get(path, 404)


@contextmanager
def _serving(url: str) -> Iterator[str]:
    """Run a server of our own code on a database, with nothing of this installation's settings but what it needs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    environment = {
        **kept,
        "ENV_FILE": os.devnull,
        "ENVIRONMENT": "development",
        "SECRET_KEY": settings.SECRET_KEY,
        "DATABASE_URL": url,
        "DATABASE_SCHEMA": settings.DATABASE_SCHEMA,
        "DATABASE_POOL_SIZE": "2",
        "BACKGROUND": "false",  # nobody is reminded, and no webhook told, of what was so when the backup was made
        "MIGRATE_ON_START": "true",  # the scratch database only: an old backup must work with this code
    }
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "runserver", f"127.0.0.1:{port}", "--workers=1"]
    with tempfile.TemporaryFile() as log:
        # Away from the terminal: its Ctrl-C is for us, and we end the server.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            if not _answers(process, f"http://127.0.0.1:{port}/health/live"):
                raise BackupError(f"a server on it does not start; it says: {_end_of(log)}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process: "subprocess.Popen[bytes]", address: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(address, timeout=5).close()  # noqa: S310 -- our own address
            return True
        except OSError:
            time.sleep(0.1)
    return False


def _end_of(log: IO[bytes]) -> str:
    log.seek(0)
    return " ".join(log.read().decode(errors="replace")[-500:].split())
