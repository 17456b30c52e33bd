"""Mails on their way: sent behind the answer, one after the other, never silently lost."""

import asyncio
import threading
import time
from unittest.mock import patch

import httpx
import pytest
from django.core import mail
from pytest_django import Settings

from tests.support.mails import mail_server
from tests.support.people import session_at
from tests.support.processes.servers import Server, free_port
from todoproject.mail import outbox as outbox_module
from todoproject.mail import url
from todoproject.mail.outbox import Mail, Outbox

pytestmark = pytest.mark.faults


def letter(to: str = "alice@example.com") -> Mail:
    return Mail("reset", to, "Hello", "The secret code", user_id="0199")


async def test_posting_does_not_wait_for_sending() -> None:
    outbox, gate = Outbox(), threading.Event()
    with patch.object(outbox_module, "_send", side_effect=lambda mail: gate.wait(5)):
        started = time.perf_counter()
        outbox.post(letter())
        await asyncio.sleep(0)
        elapsed = time.perf_counter() - started
        gate.set()
        await outbox.drain()

    assert elapsed < 0.5


async def test_drain_sends_what_waits() -> None:
    outbox = Outbox()
    for number in range(5):
        outbox.post(letter(f"{number}@example.com"))

    await outbox.drain()

    assert [sent.to for sent in mail.outbox] == [[f"{number}@example.com"] for number in range(5)]


async def test_failed_mail_is_logged_with_its_user_and_without_its_content(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    outbox = Outbox()

    outbox.post(letter())
    await outbox.drain()

    (record,) = [record for record in caplog.records if record.name == "todoproject.mail"]
    facts = vars(record)
    assert (record.getMessage(), facts["mail"], facts["mail_user_id"]) == ("mail not sent", "reset", "0199")
    assert facts["reason"] == "ConnectionRefusedError"
    assert "secret" not in str(facts)
    assert "alice@" not in str(facts)


async def test_address_that_breaks_a_header_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox()

    outbox.post(letter("alice@example.com\nBcc: everybody@example.com"))
    outbox.post(letter("bob@example.com"))
    await outbox.drain()

    assert "mail not sent" in caplog.text
    assert [sent.to for sent in mail.outbox] == [["bob@example.com"]]


async def test_mail_beyond_the_bound_is_dropped_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "MAX_WAITING", 2)
    outbox = Outbox()

    for number in range(3):
        outbox.post(letter(f"{number}@example.com"))
    await outbox.drain()

    assert [sent.to for sent in mail.outbox] == [["0@example.com"], ["1@example.com"]]
    assert "mail dropped" in caplog.text


async def test_hanging_mail_server_does_not_hold_the_end_of_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "DRAIN_TIMEOUT_SECONDS", 0.1)
    outbox, gate = Outbox(), threading.Event()
    with patch.object(outbox_module, "_send", side_effect=lambda mail: gate.wait(5)):
        outbox.post(letter())
        await asyncio.sleep(0)
        await outbox.drain()
        gate.set()

    assert "mails lost" in caplog.text


async def test_without_a_mail_server_the_log_says_that_nothing_is_sent(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_IS_OFF = True
    outbox = Outbox()

    outbox.post(letter())
    await outbox.drain()

    assert mail.outbox == []
    assert "mail not sent" in caplog.text


def reset_with_mails_to(url: str, mails: int) -> tuple[int, str]:
    """Ask a server that ends at once afterwards for so many mails; return its exit code and its log."""
    with Server(EMAIL_URL=url) as server:
        email = session_at(server.url)["user"]["email"]
        for _ in range(mails):
            answer = httpx.post(f"{server.url}/v1/auth/password-reset", json={"email": email})
            assert answer.status_code == 202
        return server.stop(), server.log


def test_server_that_ends_sends_what_waits() -> None:
    with mail_server(seconds=0.1) as mails:
        code, log = reset_with_mails_to(f"smtp://127.0.0.1:{mails.port}", 20)

    assert code == 0, log
    assert len(mails.received) == 20
    assert "Auto-Submitted: auto-generated" in mails.received[0]
    assert "20@example.com" not in log


def test_console_prints_mails() -> None:
    _, log = reset_with_mails_to("console", 1)

    assert log.count("Subject: Set a new password") == 1


@pytest.mark.parametrize(
    ("text", "host", "port", "encryption"),
    [
        ("smtps://user:p%40ss@mail.example.com", "mail.example.com", 465, "EMAIL_USE_SSL"),
        ("smtp+tls://user:p%40ss@mail.example.com", "mail.example.com", 587, "EMAIL_USE_TLS"),
        ("smtps://user:p%40ss@mail.example.com:2465/", "mail.example.com", 2465, "EMAIL_USE_SSL"),
        ("smtp://user:p%40ss@localhost:1025", "localhost", 1025, None),
    ],
)
def test_mail_server_is_read_from_a_url(text: str, host: str, port: int, encryption: str | None) -> None:
    read = url.parse(text)

    assert (read["EMAIL_HOST"], read["EMAIL_PORT"]) == (host, port)
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("user", "p@ss")
    assert [name for name in read if name.startswith("EMAIL_USE")] == ([encryption] if encryption else [])


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.com",
        "consol",
        "https://mail.example.com",
        "smtps://",
        "smtps://user:s3same@mail.example.com:port",
        "smtps://user:s3same@mail.example.com:0",
        "smtps://user:s3same#1@mail.example.com",
        "smtps://user:s3/same@mail.example.com",
        "smtps://user:s3same@mail.example.com/inbox",
        "smtps://user:s3same@mail.example.com?tls=1",
        "smtp://user:s3same@mail.example.com",
    ],
)
def test_bad_mail_url_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|would) ") as caught:
        url.parse(text)

    assert "s3" not in str(caught.value)
