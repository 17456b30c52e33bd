"""A server that plays PostgreSQL: each message of an answer, and each byte of it, is the test's to decide.

It speaks the protocol as PostgreSQL's documentation has it ("Message Flow", "Message Formats"): the start without a
password, then the extended query protocol as libpq's pipeline mode uses it, with one answer for what stands before each
Sync. It keeps no data; it remembers what it has acknowledged.
"""

import asyncio
import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

USER = b"018f0000-0000-7000-8000-000000000001"


def _reset(descriptor: int) -> None:
    """Reset a connection before the event loop runs again: the bytes and the reset are one event to the other side.

    Linux does so where a socket is connected to no address (connect(2), AF_UNSPEC).
    """
    ctypes.CDLL(None).connect(descriptor, ctypes.create_string_buffer(16), 16)


def message(kind: bytes, payload: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(payload) + 4) + payload


def error(state: str, severity: str = "ERROR", text: str = "as the test wants it") -> bytes:
    return message(b"E", _fields(severity, state, text))


def notice(state: str = "01000", severity: str = "WARNING") -> bytes:
    return message(b"N", _fields(severity, state, "as the test wants it"))


def _fields(severity: str, state: str, text: str) -> bytes:
    fields = {"S": severity, "V": severity, "C": state, "M": text}
    return b"".join(name.encode() + text.encode() + b"\0" for name, text in fields.items()) + b"\0"


def parameter(name: bytes = b"application_name", value: bytes = b"x") -> bytes:
    return message(b"S", name + b"\0" + value + b"\0")


def ready(status: bytes) -> bytes:
    return message(b"Z", status)


def _rows(*values: bytes) -> list[bytes]:
    column = struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
    described = struct.pack("!h", len(values)) + b"".join(b"c\0" + column for _ in values)
    row = struct.pack("!h", len(values)) + b"".join(struct.pack("!i", len(value)) + value for value in values)
    return [message(b"T", described), message(b"D", row)]


def _is_end(text: bytes) -> bool:
    return text.split()[:2] in ([b"COMMIT"], [b"ROLLBACK"]) or text.startswith((b"COMMIT --", b"ROLLBACK --"))


@dataclass
class Step:
    """The answer to one command: parsed, bound, described, executed, as many of these as it has asked for."""

    text: bytes
    messages: list[bytes]


@dataclass
class Answer:
    """What is sent for all that stood before one Sync."""

    steps: list[Step]
    status: bytes  # of the ReadyForQuery at its end: I, T or E
    commits: bool  # whether that ReadyForQuery acknowledges a commit
    at_sync: list[bytes] = field(default_factory=list)  # what comes between the last step and ReadyForQuery

    def encoded(self) -> bytes:
        steps = b"".join(part for step in self.steps for part in step.messages)
        return steps + b"".join(self.at_sync) + ready(self.status)

    def fail(self, position: int, state: str, severity: str = "ERROR", text: str = "as the test wants it") -> None:
        """Fail at a step, or at the Sync where the position is behind the last: the steps after it are skipped."""
        was_begun = any(step.text.startswith(b"BEGIN") for step in self.steps[:position]) or self.status != b"I"
        has_ended = any(_is_end(step.text) for step in self.steps[:position])
        del self.steps[position:]
        self.at_sync = [error(state, severity, text)]
        self.status, self.commits = (b"E" if was_begun and not has_ended else b"I"), False


@dataclass
class _Session:
    prepared: dict[bytes, bytes] = field(default_factory=dict)
    in_transaction: bool = False
    has_failed: bool = False

    def answer(self, received: list[tuple[bytes, bytes]]) -> Answer:
        """Answer as a server does that accepts everything."""
        steps: list[Step] = []
        was_open, text, writes = self.in_transaction, b"", False
        for kind, payload in received:
            if kind == b"P":
                name, text, _ = payload.split(b"\0", 2)
                self.prepared[name] = text
                steps.append(Step(text, [message(b"1")]))
            elif kind == b"B":
                name = payload.split(b"\0", 2)[1]
                text = self.prepared[name]
                if name or not steps or steps[-1].messages != [message(b"1")]:
                    steps.append(Step(text, []))
                steps[-1].messages.append(message(b"2"))
            elif kind == b"C":
                steps.append(Step(b"CLOSE", [message(b"3")]))
            elif kind == b"E":
                steps[-1].messages += self._executed(text)
                writes = writes or text.startswith(b"INSERT")
        commits = (was_open or any(step.text.startswith(b"BEGIN") for step in steps)) and not self.in_transaction
        status = b"E" if self.has_failed else b"T" if self.in_transaction else b"I"
        return Answer(steps, status, commits or (writes and not self.in_transaction))

    def _executed(self, text: bytes) -> list[bytes]:
        if text.startswith(b"SELECT"):
            values = (USER, b"role") if b"open_request" in text else (b"{}", b"1", b"t")
            return [*_rows(*values), message(b"C", b"SELECT 1\0")]
        if text.startswith(b"INSERT"):
            return [*_rows(b"{}", b"1", b"t"), message(b"C", b"INSERT 0 1\0")]
        if text.startswith(b"BEGIN"):
            self.in_transaction = True
        if _is_end(text):
            tag = b"ROLLBACK" if self.has_failed else text.split()[0]
            self.in_transaction = self.has_failed = False
            return [message(b"n"), message(b"C", tag + b"\0")]
        return [message(b"n"), message(b"C", text.split()[0] + b"\0")]


class PlayedServer:
    """Listens on a port of this machine; `play` changes answers before they are sent, or returns bytes of its own.

    After `cut` bytes of an answer that `play` has cut it closes the connection, with a reset where `resets` says so.
    """

    def __init__(self) -> None:
        self.play: Callable[[Answer], bytes | None] = lambda answer: None
        self.resets: bool | None = None  # how the connection ends after the next answer; None: it does not
        self.acknowledged = 0
        self.answers: list[Answer] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in [*self._writers]:
            writer.close()
        await self._server.wait_closed()

    async def parameters(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "todo",
            "dbname": "todo",
            "sslmode": "disable",
            "gssencmode": "disable",
            "autocommit": True,
        }

    @staticmethod
    async def nowhere() -> dict[str, Any]:
        """Return parameters of a server that is not there."""
        return {"host": "127.0.0.1", "port": 1, "user": "todo", "dbname": "todo", "autocommit": True}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._start_session(reader, writer)
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _start_session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        told = {b"server_version": b"16.0", b"client_encoding": b"UTF8", b"standard_conforming_strings": b"on"}
        writer.write(message(b"R", struct.pack("!i", 0)))
        writer.write(b"".join(parameter(name, value) for name, value in told.items()))
        writer.write(message(b"K", struct.pack("!ii", 1, 1)) + ready(b"I"))
        await writer.drain()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, received = _Session(), list[tuple[bytes, bytes]]()
        while True:
            kind = await reader.readexactly(1)
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            payload = await reader.readexactly(length - 4)
            if kind == b"X":
                return
            if kind != b"S":
                received.append((kind, payload))
                continue
            answer, received = session.answer(received), []
            if not await self._send(answer, session, writer):
                return

    async def _send(self, answer: Answer, session: _Session, writer: asyncio.StreamWriter) -> bool:
        """Send an answer as the test wants it; tell whether the connection goes on."""
        own = self.play(answer)
        self.answers.append(answer)
        whole = answer.encoded()
        sent = whole if own is None else own
        session.in_transaction, session.has_failed = answer.status != b"I", answer.status == b"E"
        if answer.commits and sent == whole:
            self.acknowledged += 1
        writer.write(sent)
        await writer.drain()
        if self.resets is None:
            return True
        if self.resets:
            _reset(writer.get_extra_info("socket").fileno())
        return False
