"""The client's address: X-Forwarded-For counts only as far as TRUSTED_PROXIES says."""

import json
from typing import Any

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started

from tests.support.processes.servers import Server
from todoproject.environment import parsers
from todoproject.environment.variables import Environment
from todoproject.http.client_address import ProxiedScopes, limited_as, read

PROXIES = ["10.0.0.0/8", "127.0.0.1", "2001:db8:aaaa::/48"]


def scope(peer: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http", "scheme": "http", "client": (peer, 50_000) if peer else None, "headers": raw}


def seen(peer: str | None, *forwarded: str) -> str | None:
    """Return the address that a request from `peer` with these X-Forwarded-For headers comes from."""
    headers = [("X-Forwarded-For", value) for value in forwarded]
    client = ProxiedScopes(PROXIES).rewrite(scope(peer, *headers))["client"]
    return client and client[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Nobody trusted in between: the header is the client's own invention.
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("192.0.2.1", ["10.0.0.1"], "192.0.2.1"),
        ("2001:db8:bbbb::1", ["198.51.100.7"], "2001:db8:bbbb::1"),
        # One trusted proxy: its entry, the last, counts.
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["127.0.0.1, 10.0.0.2, 198.51.100.7"], "198.51.100.7"),
        # A row of trusted proxies.
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7, 10.0.0.3, 127.0.0.1"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7 ,10.0.0.3", "2001:db8:aaaa::9"], "198.51.100.7"),
        # All of them trusted: the left-most is where it began.
        ("10.0.0.1", ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        # Ports, brackets, other notations.
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["2001:DB8:0::0:7"], "2001:db8::7"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("10.0.0.1", ["198.51.100.7, ::ffff:10.0.0.3"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8:aaaa:0::1", ["198.51.100.7"], "198.51.100.7"),
        # What cannot be read is no address, and nothing left of it counts.
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, _hidden, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.7,"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.777"], "10.0.0.1"),
        ("10.0.0.1", ["\xff\x00'; DROP TABLE users; --"], "10.0.0.1"),
        ("10.0.0.1", ["0x7f000001"], "10.0.0.1"),
        # More hops than anybody has.
        ("10.0.0.1", ["198.51.100.7" + ", 10.0.0.2" * 5000], "10.0.0.2"),
        # Peers without an address: unix sockets, tests.
        (None, ["198.51.100.7"], None),
        ("testclient", ["198.51.100.7"], "testclient"),
    ],
)
def test_client_is_the_right_most_address_that_is_no_trusted_proxy(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    assert seen(peer, *forwarded) == client


def test_without_trusted_proxies_nothing_is_changed() -> None:
    given = scope("127.0.0.1", ("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https"))

    assert ProxiedScopes([]).rewrite(given) is given


@pytest.mark.parametrize(
    ("peer", "sent", "expected"),
    [
        ("10.0.0.1", ["https"], "https"),
        ("10.0.0.1", ["HTTPS"], "https"),
        ("10.0.0.1", ["http"], "http"),
        ("10.0.0.1", ["https, http"], "http"),
        ("10.0.0.1", ["http", "https"], "https"),
        ("10.0.0.1", ["javascript"], "http"),
        ("10.0.0.1", [], "http"),
        ("192.0.2.1", ["https"], "http"),
    ],
)
def test_scheme_is_what_the_nearest_trusted_proxy_says(peer: str, sent: list[str], expected: str) -> None:
    given = scope(peer, *(("X-Forwarded-Proto", value) for value in sent))

    assert ProxiedScopes(PROXIES).rewrite(given)["scheme"] == expected


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_ipv6_is_counted_by_its_network(host: str, key: str) -> None:
    assert limited_as(host) == key


@pytest.mark.parametrize(
    "text", ["", ":", "::ffff:1.2.3", "[", "[]", "1.2.3.4.5", "\uff11.2.3.4", "01.2.3.4", "x" * 60_000]
)
def test_nonsense_is_no_address(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("text", ["*", "10.0.0.1/8", "proxy.internal", "10.0.0.0/33", "::ffff:10.0.0.0/104"])
def test_setting_takes_networks_and_nothing_else(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", text)

    env = Environment()
    env("TRUSTED_PROXIES", parsers.networks, example="10.0.0.0/8", default=[])
    with pytest.raises(ImproperlyConfigured, match=r"^TRUSTED_PROXIES .*Example: TRUSTED_PROXIES="):
        env.stop_on_mistakes()


async def test_djangos_door_sees_the_same_client(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address and scheme that the admin's login sees."""
    monkeypatch.setattr("todoproject.asgi._proxied", ProxiedScopes(["127.0.0.1"]))
    scopes: list[dict[str, Any]] = []

    def keep(scope: dict[str, Any], **_: object) -> None:
        scopes.append(scope)

    request_started.connect(keep)
    try:
        forwarded = {"X-Forwarded-For": "1.1.1.1, 198.51.100.7", "X-Forwarded-Proto": "https"}
        await client.get("/docs", headers=forwarded)
    finally:
        request_started.disconnect(keep)

    assert [(scope["client"][0], scope["scheme"]) for scope in scopes] == [("198.51.100.7", "https")]


def access_lines(server: Server) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request" and line["route"] == "/health"]


def test_server_behind_a_proxy_knows_client_and_scheme(server: Server) -> None:
    with Server(TRUSTED_PROXIES="127.0.0.1", ENVIRONMENT="production") as behind:
        forwarded = {"X-Forwarded-For": "1.1.1.1, 198.51.100.7", "X-Forwarded-Proto": "https"}
        secure = httpx.get(f"{behind.url}/docs", headers=forwarded)
        plain = httpx.get(f"{behind.url}/docs")
        httpx.get(f"{behind.url}/health", headers=forwarded)
        lines = access_lines(behind)

    assert (secure.status_code, plain.status_code) == (200, 301)
    assert [line["client"] for line in lines] == ["198.51.100.7"]


def test_server_without_a_proxy_believes_no_header(server: Server) -> None:
    httpx.get(f"{server.url}/health", headers={"X-Forwarded-For": "198.51.100.7"})

    assert access_lines(server)[-1]["client"] == "127.0.0.1"
