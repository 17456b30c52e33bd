"""One connection to PostgreSQL: commands that leave in one piece, and the results that come back.

psycopg connects (addresses, TLS, passwords) and libpq speaks the protocol, in its pipeline mode: what is sent together
is one round trip and, unless it says BEGIN, one transaction; after an error the rest is skipped. (PostgreSQL's
documentation, "libpq: Pipeline Mode".) psycopg's own cursors and waiting loop are left out: they cost a request more
than everything else that it does here. The socket is watched for as long as the connection lives, so the server's
farewell is noticed when it comes, without asking.
"""

import asyncio
import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from psycopg import AsyncConnection, Error, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from todoproject.database.client.command import Command
from todoproject.database.errors import NoAnswer

# How many statements the server keeps ready on each connection: more than are in use, and a few MiB at most.
_MOST_PREPARED = 200
_CANCEL_TIMEOUT_SECONDS = 2.0

_CLOSED = b""  # stands for the answer to a request to forget a statement
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
_SEVERITY, _SQLSTATE = DiagnosticField.SEVERITY_NONLOCALIZED, DiagnosticField.SQLSTATE

Bound = tuple[Command, Mapping[str, object]]


class Connection:
    """A connection that carries one request after the other; `on_end` is called once, however it ends."""

    def __init__(self, connection: AsyncConnection[Any], on_end: Callable[["Connection"], None]) -> None:
        self._psycopg = connection
        self._pgconn = connection.pgconn
        self._on_end = on_end
        self._transformer = Transformer(connection)
        self._loop = asyncio.get_running_loop()
        self._socket = self._pgconn.socket
        self._answer: asyncio.Future[None] | None = None
        self._results: list[PGresult] = []
        self._prepared: dict[bytes, None] = {}  # names, in the order of their last use
        self._is_told_to_go = False
        self._cancelling: asyncio.Task[None] | None = None
        self._poller = select.poll()
        self._poller.register(self._socket, select.POLLIN)
        self.is_ended = False
        self.opened_at = self.idle_since = self._loop.time()
        self._pgconn.notice_handler = self._note
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    def is_alive(self) -> bool:
        """Tell whether the server has not ended the connection, as far as this machine can know; no round trip."""
        if self._poller.poll(0):  # something has come that the event loop has yet to see
            self._read()
        return not self.is_ended

    @property
    def transaction_status(self) -> TransactionStatus:
        """Tell whether a transaction is open, and whether it has failed."""
        return TransactionStatus(self._pgconn.transaction_status)

    async def send(self, commands: Sequence[Bound], *, edition: bytes | None) -> tuple[list[PGresult], Error | None]:
        """Send commands; return the result of each up to the first that failed, and its error.

        What is committed implicitly is committed by the Sync behind the last command. An error there comes behind all
        results, and undoes them all. With an `edition` the server keeps the commands ready under names, for the next
        time on this connection. It is a comment, perhaps an empty one, at the end of their texts: with another one they
        are prepared anew, also by a pooler that knows them by text. Raises NoAnswer where none comes in time, and
        psycopg's OperationalError where none can come, or what comes is no answer to what was sent.
        """
        self._answer, self._results = self._loop.create_future(), []
        timer = self._loop.call_later(settings.DATABASE_STATEMENT_TIMEOUT, self._give_up)
        try:
            parsed = self._queue(commands, edition)
            self._pgconn.pipeline_sync()
            self._flush()
            await self._answer
        except BaseException:
            self._answer = None
            self.end()  # nobody may inherit an answer that was not waited for
            raise
        finally:
            timer.cancel()
            self._answer = None
        return self._sorted_out(parsed)

    def end(self) -> None:
        """Close the connection."""
        if self.is_ended:
            return
        self.is_ended = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._fail(OperationalError("the connection was closed"))
        if self._cancelling is None:
            self._pgconn.finish()
        self._on_end(self)

    def _queue(self, commands: Sequence[Bound], edition: bytes | None) -> list[bytes | None]:
        """Hand commands to libpq; return for each result that will come the name it prepares, if it does that."""
        pgconn = self._pgconn
        parsed: list[bytes | None] = [self._forget_oldest() for _ in range(len(self._prepared) - _MOST_PREPARED)]
        for command, parameters in commands:
            values = [self._text(parameters[name]) for name in command.names]
            if edition is None or not command.is_kept:
                pgconn.send_query_params(command.text, values)
            elif (name := command.name + edition) in self._prepared:
                self._prepared[name] = self._prepared.pop(name)
                pgconn.send_query_prepared(name, values)
            else:
                pgconn.send_prepare(name, command.text + edition)
                self._prepared[name] = None
                parsed.append(name)
                pgconn.send_query_prepared(name, values)
            parsed.append(None)
        return parsed

    def _forget_oldest(self) -> bytes:
        oldest = next(iter(self._prepared))
        del self._prepared[oldest]
        self._pgconn.send_close_prepared(oldest)
        return _CLOSED

    def _text(self, value: object) -> Any:
        """Return a value as PostgreSQL reads it; the type is told by where it stands."""
        if value is None:
            return None
        return self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)

    def _sorted_out(self, parsed: Sequence[bytes | None]) -> tuple[list[PGresult], Error | None]:
        """Return results and the error; exactly one result is expected for each message, and perhaps Sync's error."""
        received, results = self._results, list[PGresult]()
        for number, (name, result) in enumerate(zip(parsed, received, strict=False)):
            if result.status == ExecStatus.FATAL_ERROR:
                for skipped in filter(None, parsed[number:]):
                    self._prepared.pop(skipped, None)
                return results, self._error(result)
            if result.status not in _DONE:
                raise self.misunderstood(f"a result is {ExecStatus(result.status).name}")
            if name is None:
                results.append(result)
        if len(received) == len(parsed) + 1 and received[-1].status == ExecStatus.FATAL_ERROR:
            return results, self._error(received[-1])
        if len(received) != len(parsed):
            raise self.misunderstood(f"{len(received)} results for {len(parsed)} messages")
        return results, None

    def _error(self, result: PGresult) -> Error:
        if not result.error_field(_SQLSTATE):  # of libpq: the end came where it waited, or what came is no message
            raise self.misunderstood(result.get_error_message("utf-8").strip())
        return error_from_result(result, encoding="utf-8")

    def misunderstood(self, what: str) -> OperationalError:
        """End a connection whose answers no longer belong to what is asked; return the error that says so."""
        self.end()
        return OperationalError(f"the server does not speak as expected: {what}")

    # --- The socket -------------------------------------------------------------------------------

    def _flush(self) -> None:
        try:
            is_sent = self._pgconn.flush() == 0
        except OperationalError as error:
            self._read()  # the server's last words, if there are any
            self._break(error)
        else:
            if is_sent:
                self._loop.remove_writer(self._socket)
            else:  # the socket is full: a large body, or a server that does not read
                self._loop.add_writer(self._socket, self._flush)

    def _read(self) -> None:
        """Read until there is nothing left: bytes and the reset behind them may be told to us as one event.

        (libuv stops to watch a socket that has an error: libuv#3797.)
        """
        try:
            self._read_once()
            while not self.is_ended and self._poller.poll(0):
                self._read_once()
        except OperationalError as error:
            self._break(error)
        else:
            if self._is_told_to_go:
                self.end()

    def _read_once(self) -> None:
        pgconn, results = self._pgconn, self._results
        was_end = False
        pgconn.consume_input()
        while not pgconn.is_busy():  # asked before each result: where one has yet to come, libpq would wait for it
            result = pgconn.get_result()
            if result is None:
                if was_end:
                    break  # the end of all that was sent, not only of one command's results
            elif result.status == ExecStatus.PIPELINE_SYNC:
                self._answered()
            else:
                results.append(result)
            was_end = result is None

    def _answered(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def _note(self, notice: PGresult) -> None:
        """Take the server's farewell to an idle connection, perhaps a moment before it closes the socket."""
        if notice.error_field(_SEVERITY) in (b"FATAL", b"PANIC"):
            self._is_told_to_go = True

    def _break(self, error: OperationalError) -> None:
        """End because the server has: its last words, if there were any, say why."""
        said = next((result for result in self._results if result.error_field(_SQLSTATE)), None)
        self._fail(error if said is None else error_from_result(said, encoding="utf-8"))
        self.end()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _give_up(self) -> None:
        self._fail(NoAnswer(f"no answer within {settings.DATABASE_STATEMENT_TIMEOUT} s"))
        self._cancelling = self._loop.create_task(self._cancel())
        self.end()

    async def _cancel(self) -> None:
        """Ask the server to stop what nobody waits for any more."""
        with suppress(Error, TimeoutError):  # not psycopg's own timeout, which keeps the socket for a while
            async with asyncio.timeout(_CANCEL_TIMEOUT_SECONDS):
                await self._psycopg.cancel_safe()
        self._pgconn.finish()
