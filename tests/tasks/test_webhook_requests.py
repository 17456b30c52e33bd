"""One request to a receiver: what is an answer, what is none, and that no request reaches a private place."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from pytest_django import Settings

from tasks import webhook_urls
from tasks.queries.webhook_outcomes import Outcome
from tasks.webhooks import connections, posting
from tasks.webhooks.posting import Client, Clients
from tests.faults.certificates import issue
from tests.support.receivers import OK, Behaviour, Receiver, receiver, status

HEADERS = {"webhook-id": "x"}
BODY = b'{"type":"webhook.test"}'


@pytest_asyncio.fixture(loop_scope="session")
async def hook(settings: Settings) -> AsyncIterator[Receiver]:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    async with receiver() as made:
        yield made


async def post(url: str) -> Outcome:
    client = Client()
    try:
        return await client.post(url, HEADERS, BODY)
    finally:
        client.close()


async def nothing(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def slowly(writer: asyncio.StreamWriter) -> None:
    for piece in (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n\r\n", b"o", b"k"):
        writer.write(piece)
        await asyncio.sleep(0.01)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 4096)
        await writer.drain()


async def endless_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: " + b"x" * 4096 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    ("answer", "code", "error"),
    [
        pytest.param(OK, 200, None, id="ok"),
        pytest.param(status(204), 204, None, id="204"),
        pytest.param(slowly, 200, None, id="slowly"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, None, id="after a 100"),
        pytest.param(endless, 200, None, id="endless"),
        pytest.param(status(500), 500, None, id="500"),
        pytest.param(status(410), 410, None, id="410"),
        pytest.param(nothing, None, "connection", id="nothing"),
        pytest.param(b"garbage\r\n\r\n", None, "malformed", id="garbage"),
        pytest.param(b"\x16\x03\x01" * 100, None, "malformed", id="bytes"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", None, "malformed", id="cut off"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            None,
            "malformed",
            id="101",
        ),
        pytest.param(endless_head, None, "malformed", id="endless head"),
    ],
)
async def test_what_a_receiver_says_is_taken_as_it_is(
    hook: Receiver, answer: Behaviour, code: int | None, error: str | None
) -> None:
    hook.otherwise = answer
    outcome = await post(hook.url)
    assert (outcome.status, outcome.error) == (code, error)
    assert outcome.is_delivered == (code in (200, 204))


async def test_no_more_of_an_answer_is_read_than_64_kib(hook: Receiver) -> None:
    """And so much at once, however fast it comes: not until the time is over."""
    sent = 0

    async def count(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        writer.transport.set_write_buffer_limits(0)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()
            sent += 4096

    hook.otherwise = count
    outcome = await post(hook.url)
    assert (outcome.status, outcome.error) == (200, None)
    assert outcome.milliseconds < posting.TIMEOUT_SECONDS * 1000 / 2
    assert posting.MOST_BYTES == 64 * 1024 <= sent < 16 * 1024 * 1024  # the systems' buffers take some, too


async def test_a_redirect_is_not_followed(hook: Receiver) -> None:
    async with receiver() as other:
        hook.otherwise = status(301, f"Location: {other.url}")
        outcome = await post(hook.url)
        assert (outcome.status, outcome.is_delivered, other.connections) == (301, False, 0)


async def test_one_that_does_not_answer_has_its_time_and_no_more(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def wait_behind_the_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\n")
        await asyncio.sleep(5)

    monkeypatch.setattr(posting, "TIMEOUT_SECONDS", 0.2)
    hook.answers = [wait, wait_behind_the_head]
    first, second = await post(hook.url), await post(hook.url)
    assert (first.status, first.error) == (None, "timeout")
    assert (second.status, second.error) == (202, None)
    assert 190 <= first.milliseconds < 2000


async def test_a_place_that_no_way_leads_to_leaves_the_next_one(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an address of IPv6 is where the network has none: the system says so at once, with no refusal."""
    monkeypatch.setattr(connections, "_look_up", lambda host, port: ["255.255.255.255", "127.0.0.1"])
    assert (await post(hook.url)).status == 200


async def test_names_that_hang_hold_up_no_other(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that asks for a name is not to be cut off: it is held for longer than a delivery has."""
    is_over = threading.Event()
    look_up = connections._look_up

    def hang(host: str, port: int) -> list[str]:
        if host != "127.0.0.1":
            is_over.wait(20)
            raise socket.gaierror
        return look_up(host, port)

    monkeypatch.setattr(connections, "_look_up", hang)
    monkeypatch.setattr(posting, "TIMEOUT_SECONDS", 1.0)
    hanging = [asyncio.create_task(post(f"http://{number}.hangs.example/")) for number in range(100)]
    await asyncio.sleep(0)
    outcome = await post(hook.url)
    is_over.set()
    await asyncio.gather(*hanging)
    assert outcome.status == 200


async def test_where_nobody_listens_is_no_answer(hook: Receiver) -> None:
    async with receiver() as closed:
        pass
    outcome = await post(closed.url)
    assert (outcome.status, outcome.error) == (None, "connection")


# --- A connection that is kept --------------------------------------------------------------------


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.close()


async def test_requests_of_a_hook_go_over_one_connection(hook: Receiver, client: Client) -> None:
    hook.keeps = True
    outcomes = [await client.post(hook.url, HEADERS, BODY) for _ in range(5)]
    assert [outcome.status for outcome in outcomes] == [200] * 5
    assert (len(hook.requests), hook.connections) == (5, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + OK,
        OK + b"garbage",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
    ],
    ids=["close", "1.0", "twice", "garbage", "long"],
)
async def test_a_connection_of_which_it_is_not_sure_what_comes_next_is_not_kept(
    hook: Receiver, client: Client, answer: bytes
) -> None:
    hook.keeps = True
    hook.answers = [answer]
    outcomes = [await client.post(hook.url, HEADERS, BODY) for _ in range(2)]
    assert [(outcome.status, outcome.error) for outcome in outcomes] == [(200, None)] * 2
    assert (len(hook.requests), hook.connections) == (2, 2)


async def test_one_that_closes_what_was_kept_is_asked_over_another(hook: Receiver, client: Client) -> None:
    """It may close at any time, also while a request is on its way: what it has taken comes once more, same id."""
    hook.keeps = True
    hook.answers = [OK, nothing, OK, nothing, nothing]
    outcomes = [await client.post(hook.url, HEADERS, BODY) for _ in range(3)]
    assert [(outcome.status, outcome.error) for outcome in outcomes] == [(200, None), (200, None), (None, "connection")]
    assert len(hook.requests) == 5


async def test_what_hangs_is_not_asked_again(hook: Receiver, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    hook.keeps = True
    hook.answers = [OK, wait]
    await client.post(hook.url, HEADERS, BODY)
    monkeypatch.setattr(posting, "TIMEOUT_SECONDS", 0.1)
    assert (await client.post(hook.url, HEADERS, BODY)).error == "timeout"
    assert len(hook.requests) == 2


async def test_another_address_is_another_connection_and_judged(
    hook: Receiver, client: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    hook.keeps = True
    await client.post(hook.url, HEADERS, BODY)
    monkeypatch.setattr(connections, "_look_up", lambda host, port: ["127.0.0.1"])
    outcome = await client.post(f"http://hooks.example.com:{hook.port}/", HEADERS, BODY)
    assert (outcome.error, hook.connections) == ("private", 1)
    await client.post(hook.url, HEADERS, BODY)
    settings.WEBHOOK_PRIVATE_HOSTS = []
    assert (await client.post(hook.url, HEADERS, BODY)).error == "url"  # the rule has changed meanwhile


async def test_a_connection_is_not_kept_for_longer_than_its_name_may_be_trusted(
    hook: Receiver, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.keeps = True
    await client.post(hook.url, HEADERS, BODY)
    monkeypatch.setattr(connections, "_LONGEST_SECONDS", 0.0)
    await client.post(hook.url, HEADERS, BODY)
    assert hook.connections == 2


async def test_a_client_is_one_hooks_and_let_go_when_nobody_needs_it(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.keeps = True
    clients, first, second = Clients(), uuid4(), uuid4()
    for one in (first, second, first):
        with clients.lend(one) as lent, clients.lend(one) as beside:
            assert lent is not beside
            await lent.post(hook.url, HEADERS, BODY)
    assert hook.connections == 3  # the inner one came back first, without a connection, and stayed
    clients.let_go()
    assert len(clients._idle) == 2
    monkeypatch.setattr(posting, "IDLE_SECONDS", 0.0)
    clients.let_go()
    assert clients._idle == {}
    with clients.lend(first) as lent:
        await lent.post(hook.url, HEADERS, BODY)
        clients.close()
    assert lent._kept is None


# --- Private places -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        *((address, True) for address in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")),
        *((address, False) for address in ("0.0.0.1", "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1")),
        *((address, False) for address in ("169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1")),
        *((address, False) for address in ("240.0.0.1", "255.255.255.255", "192.88.99.1", "203.0.113.1")),
        *((address, False) for address in ("::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::7f00:1")),
        (str(IPv4Address(0)), False),
        *((address, False) for address in ("fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1")),
        *((address, False) for address in ("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::")),
        *((address, False) for address in ("2001::1", "2001:db8::1", "100::1", "3fff::1", "5f00::1")),
        *((address, False) for address in ("::ffff:0:127.0.0.1", "1::1", "4000::1", "fe00::1")),
    ],
)
def test_an_address_is_public_or_not(address: str, is_public: bool) -> None:
    found = webhook_urls.as_address(address)
    assert found is not None
    assert webhook_urls.is_public(found) is is_public


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]])
async def test_a_name_that_means_a_private_place_leads_nowhere(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    connected: list[Any] = []
    monkeypatch.setattr(connections, "_look_up", lambda host, port: found)
    monkeypatch.setattr(connections, "_connect", lambda *arguments: connected.append(arguments))
    outcome = await post(f"http://hooks.example.com:{hook.port}/")
    assert (outcome.status, outcome.error) == (None, "private")
    assert (connected, hook.connections) == ([], 0)


async def test_a_name_that_changes_between_check_and_connection_leads_nowhere(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is asked for once, and what was judged is connected to, not the name."""
    answers = [["192.0.2.1"], ["127.0.0.1"]]
    asked: list[str] = []
    places: list[str] = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    async def connect(host: str, port: int, **options: Any) -> Any:
        places.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(connections, "_look_up", look_up)
    monkeypatch.setattr(webhook_urls, "is_public", lambda address: str(address) != "127.0.0.1")
    monkeypatch.setattr(asyncio, "open_connection", connect)
    outcome = await post(f"http://hooks.example.com:{hook.port}/")
    assert (outcome.error, asked, places) == ("connection", ["hooks.example.com"], ["192.0.2.1"])


async def test_a_name_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = await post("http://nowhere.invalid/")
    assert outcome.error == "name"


async def test_a_url_from_before_a_rule_is_judged_again(settings: Settings) -> None:
    assert (await post("http://10.0.0.1/")).error == "url"
    settings.PRODUCTION = True
    assert (await post("http://example.com/")).error == "url"


async def test_tls_checks_the_name_that_the_url_says(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["hooks.example.com", "other.example.com", "127.0.0.1"]
    context = issue(tmp_path, ["hooks.example.com"])
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    monkeypatch.setattr(connections, "_look_up", lambda host, port: ["127.0.0.1"])
    async with receiver(context) as hook:
        strangers = await post(f"https://hooks.example.com:{hook.port}/")
        monkeypatch.setattr(connections, "tls", lambda: trusting)
        outcomes = [await post(f"https://{name}:{hook.port}/") for name in ("hooks.example.com", "other.example.com")]
        literal = await post(hook.url)
    assert strangers.error == "tls"
    assert [(outcome.status, outcome.error) for outcome in outcomes] == [(200, None), (None, "tls")]
    assert literal.error == "tls"
    assert len(hook.requests) == 1
