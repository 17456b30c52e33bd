"""Connections that notice their own end without asking the server: its farewell, or the socket's end, lies unread."""

import select
from typing import Any

from psycopg import BaseConnection, OperationalError
from psycopg.errors import Diagnostic


class Mortal(BaseConnection[Any]):
    """What the API's connections and the admin's have in common."""

    has_ended = False  # the server has said so, perhaps a moment before it closes the socket

    def listen_for_farewell(self) -> None:
        """Begin to listen. After a sleep of the server a FATAL notice waits on each idle connection."""
        self.add_notice_handler(self._note_farewell)

    def _note_farewell(self, message: Diagnostic) -> None:
        if message.severity_nonlocalized in ("FATAL", "PANIC"):
            self.has_ended = True

    def is_dead(self) -> bool:
        """Tell whether an idle connection has been ended, by what has come in on it; nothing is sent."""
        poller = select.poll()
        try:
            poller.register(self.fileno(), select.POLLIN)
            while poller.poll(0):
                self.pgconn.consume_input()
                self.pgconn.is_busy()  # parses what has come in, and hands a farewell to the handler above
        except OperationalError:
            return True
        return self.has_ended or self.closed
