"""What arrives by mail, in this process or at a mail server."""

import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core import mail

from todoproject.mail.outbox import outbox


async def to(email: str) -> list[mail.EmailMessage]:
    """Return what has been mailed to an address in this test, once all of it has been sent."""
    await outbox.drain()
    return [letter for letter in mail.outbox if letter.to == [email]]


async def code(email: str) -> str:
    """Return the code in the last mail to an address."""
    found = re.search(r"^[\w-]{43}$", (await to(email))[-1].body, re.MULTILINE)
    assert found is not None
    return found[0]


class MailServer(socketserver.ThreadingTCPServer):
    """Listens at a port of this machine, takes so many seconds for each mail, and keeps it.

    While it `refuses`, it answers each mail that it is busy, and counts.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, seconds: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.port: int = self.server_address[1]
        self.seconds, self.refuses, self.refused = seconds, False, 0
        self.received: list[str] = []

    def answer(self, command: bytes) -> bytes:
        """Return what is said to a command that is not DATA."""
        if command.startswith(b"MAIL") and self.refuses:
            self.refused += 1
            return b"451 busy, try again later\r\n"
        return b"221 bye\r\n" if command.startswith(b"QUIT") else b"250 ok\r\n"


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().upper():
            if line.startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                time.sleep(self.server.seconds)
                self.server.received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
            self.wfile.write(self.server.answer(line))


@contextmanager
def mail_server(seconds: float = 0) -> Iterator[MailServer]:
    """Run a mail server beside this test."""
    with MailServer(seconds) as made:
        threading.Thread(target=made.serve_forever).start()
        yield made
        made.shutdown()
