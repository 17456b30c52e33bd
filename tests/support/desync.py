"""Attackers and victims, who share the connections between a proxy and the server."""

import random
import socket
import threading
from dataclasses import dataclass, field

from tests.http.test_framing import HOST, REFUSED
from tests.support.http.sockets import Connection

_SMUGGLED = b"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Smuggled: 1\r\n\r\n"


@dataclass
class Port:
    """What `Connection` wants of a server."""

    port: int


@dataclass
class Tally:
    """What was sent, and what was wrong."""

    attacks: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)


def attack(port: int, people: dict[str, str], rounds: int, seed: int = 1) -> Tally:
    """Send `rounds` requests that try to be two, each cut in two, beside victims.

    `people`: each one's token and what `GET /v1/me` answers for it, of victims and attackers alike.
    """
    tally, is_over = Tally(), threading.Event()
    victims = [
        threading.Thread(target=_ask, args=(port, token, body, tally, is_over)) for token, body in people.items()
    ]
    for victim in victims:
        victim.start()
    dice = random.Random(seed)
    try:
        for _ in range(rounds):
            _attack_once(port, dice, tally)
    finally:
        is_over.set()
        for victim in victims:
            victim.join()
    return tally


def _ask(port: int, token: str, body: str, tally: Tally, is_over: threading.Event) -> None:
    request = f"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with Connection(Port(port)) as connection:  # type: ignore[arg-type]  # all that it wants of a server
        while not is_over.is_set():
            answer = connection.ask(request)
            tally.answers += 1
            # A proxy whose connection was closed under it may say so (502), or close (0): that is nobody's answer.
            if answer.status not in (0, 502) and (answer.status, answer.body.decode()) != (200, body):
                tally.wrong.append(f"a victim was answered {answer}")


def _attack_once(port: int, dice: random.Random, tally: Tally) -> None:
    """Ask without a token: whatever is answered 200 is somebody else's."""
    head = dice.choice([*REFUSED.values()]).replace(HOST, b"Host: 127.0.0.1")
    if dice.random() < 0.5:  # the case that was found, in its kinds
        kind = dice.choice([b"foo", b"h2c", b"websocket", b"TLS/1.0"])
        head = b"POST /v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: " + kind
        head += b"\r\nContent-Length: %d\r\n\r\n" % len(_SMUGGLED)
    stream = head + _SMUGGLED
    cut = dice.choice([len(head), dice.randrange(1, len(stream))])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        received = b""
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(stream[:cut])
            client.settimeout(0.02)
            received += _receive(client)
            client.settimeout(0.2)
            client.sendall(stream[cut:])
            received += _receive(client)
        except (ConnectionResetError, BrokenPipeError):
            pass
    tally.attacks += 1
    if b'"email"' in received:
        tally.wrong.append(f"an attacker was answered {received!r}")


def _receive(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except TimeoutError:
        return b""
