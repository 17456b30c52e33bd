"""The background process for real: under a supervisor, alone, killed, and told to end."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.postgres.databases import connect
from tests.support.processes.commands import start
from tests.support.processes.servers import Server
from todoproject.database import embedded

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it does not come true")


def remind(server: Server, headers: dict[str, str], seconds: float) -> str:
    at = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    task = {"title": "Buy milk", "reminders": [{"at": at}]}
    answer = httpx.post(f"{server.url}/v1/tasks", json=task, headers=headers, timeout=20)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def fired(server: Server, headers: dict[str, str]) -> list[tuple[str, str]]:
    items = server.get("/v1/history", headers).json()["items"]
    return [(entry["id"], entry["at"]) for entry in items if entry["event"] == "reminder"]


def children(server: Server) -> list[int]:
    """Return the processes that do the background work of a server."""
    assert server.process is not None
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "runworker" in line]


def test_a_server_fires_what_is_set_without_looking_for_it(postgres: None) -> None:
    """It looks once an hour here: what fires in time has been told by the writes."""
    with Server("--workers", "2", BACKGROUND="true", BACKGROUND_POLL_SECONDS="3600") as server:
        headers = server.account()
        time.sleep(1.5)
        began = datetime.now(UTC)
        task = remind(server, headers, 2)
        ((found, at),) = until(lambda: fired(server, headers))
        assert found == task
        assert 2 <= (datetime.fromisoformat(at) - began).total_seconds() < 8
        (process,) = until(lambda: children(server))
        os.kill(process, signal.SIGKILL)
        remind(server, headers, 1)
        until(lambda: len(fired(server, headers)) == 2)
        assert until(lambda: children(server)) != [process]
        assert server.stop() == 0
        assert server.log.count("the background process has ended") == 1


class Mailbox:
    """A mail server that says nothing after it has taken a mail: whoever sent it cannot have noted that."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.answers = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[client], daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, client.makefile("rwb", buffering=0) as wire:
            wire.write(b"220 mail\r\n")
            while line := wire.readline():
                word = line[:4].upper()
                wire.write(b"354 go on\r\n" if word == b"DATA" else b"250 yes\r\n")
                if word == b"DATA":
                    text = b"".join(iter(wire.readline, b".\r\n"))
                    self.mails.append(text.decode().replace("\r", ""))
                    if self.answers:
                        wire.write(b"250 taken\r\n")


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


def test_killed_between_sending_and_noting_it_is_sent_again(server: Server) -> None:
    headers = server.account()
    (email,) = {server.get("/v1/me", headers).json()["email"]}
    with mailbox() as box, connect(embedded.DATABASE, autocommit=True) as direct:
        direct.execute("UPDATE users SET reminder_mail = true, email_verified_at = now() WHERE email = %s", [email])
        remind(server, headers, -60)
        settings = {"EMAIL_URL": f"smtp://127.0.0.1:{box.port}", "BACKGROUND_POLL_SECONDS": "1"}
        first = start("runworker", database=embedded.DATABASE, **settings)
        until(lambda: box.mails)
        first.kill()
        _, told = first.communicate(timeout=30)
        assert "stays awake" in told
        direct.execute("UPDATE reminders SET mail_at = now() WHERE mail_at IS NOT NULL")
        box.answers = True
        second = start("runworker", database=embedded.DATABASE, **settings)
        noted = (
            "SELECT FROM reminders JOIN users ON users.id = user_id"
            " WHERE mail_at IS NULL AND mail_tries = 2 AND email = %s"
        )
        until(lambda: direct.execute(noted, [email]).fetchone() is not None)
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=30)

    assert second.returncode == 0
    assert [re.findall(r"^To: (.*)$", mail, re.MULTILINE) for mail in box.mails] == [[email]] * 2
    assert len(fired(server, headers)) == 1
