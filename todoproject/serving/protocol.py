"""The server's side of a connection: one request at a time is read, answered in one packet, and waited for no longer
than is decent.

uvicorn runs the application and writes its answers; reading is ours (framing.py). Its parser ends a request at the
head where that asks for an upgrade, and takes the body for the next request.
"""

import asyncio
import itertools
import select
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

from uuid_utils import uuid7
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from todoproject.http import framing, problems
from todoproject.http.framing import Body, Head, Refused
from todoproject.http.problems import REQUEST_TIMEOUT, UNAVAILABLE, Problem
from todoproject.observability import logs
from todoproject.serving import admission
from todoproject.serving.transport import GatheringTransport

HEAD_SECONDS = 15.0  # from the connection, or the first byte, to the end of a head
BODY_SECONDS = 120.0  # for a whole body
LONG_BODY_SECONDS = 600.0  # for one that is a file
PROGRESS_SECONDS = 30.0  # for its next byte
WRITE_SECONDS = 60.0  # for a client to take so much of an answer, or all of it; the system's buffers empty in leaps
WRITE_BYTES = 64 * 1024
LINGER_SECONDS = 2.0  # how long a refused client may go on sending: to close at once would destroy the answer

_numbers = itertools.count()


class Protocol(HttpToolsProtocol):
    """What reads requests from a socket and writes the answers."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._input = b""  # what has come in and belongs to no request yet
        self._looked_at = 0  # how much of it has been searched for the end of a head
        self._unread: Body | None = None  # what is still to come of the present request
        self._body_seconds = BODY_SECONDS
        self._is_half_closed = False
        self._is_refused = False
        self._since = self._progress_at = self.loop.time()  # of the head, the body, or the silence between requests
        self._taken = 0, self._since  # what the client had taken of our answers when it was last enough, and when
        self.unread_since = self._since  # since when it has not had all of them
        self.unread_bytes = 0  # how much of them its system had not taken at the last check
        self.held_bytes = 0  # of an unfinished body
        self.address = ""
        self.is_reserved = False  # one more than there should be: for health only
        self.number = next(_numbers)
        self.is_streaming = False  # an answer without an end is under way

    def connection_made(self, transport: Any) -> None:
        """Begin with a new client, or turn it away."""
        super().connection_made(GatheringTransport(transport, self))  # type: ignore[arg-type]  # it is one in all but name
        self.parser = None  # type: ignore[assignment]  # uvicorn's
        if (problem := admission.enter(self)) is not None:
            self._answer(problem)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        admission.leave(self)
        super().connection_lost(exc)

    # --- What admission and the server ask ---

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way: read in part, waiting for its answer, or being answered."""
        return bool(self._input) or self._unread is not None or self._is_answering

    @property
    def has_request(self) -> bool:
        """Whether the head of a request was read whose answer or body is not over."""
        return self._unread is not None or self._is_answering

    @property
    def has_served(self) -> bool:
        """Whether there was a request at all."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None

    @property
    def is_reading_head(self) -> bool:
        """Whether a head has come in in part."""
        return bool(self._input) and not self.has_request

    @property
    def has_more_to_send(self) -> bool:
        """Whether the client is in the middle of something that will never be read."""
        return not self._is_half_closed and (self._is_refused or self._unread is not None or bool(self._input))

    @property
    def since(self) -> float:
        """When the present state of affairs began: a body, a head, or silence."""
        return self._since

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def close_if_idle(self) -> None:
        """Close a connection that has no request, unless one has just come in and is about to be read."""
        if not self.is_busy and not self.transport.is_closing() and not self.has_input():
            self.transport.close()

    def cut_off(self) -> None:
        """Close a connection whatever it does; a request without an answer is told to come again."""
        if self.is_busy and not self.transport.is_closing():
            self.refuse(Problem(UNAVAILABLE, "The server is ending.", headers={"Retry-After": "1"}))
        else:
            self.transport.abort()

    def has_input(self) -> bool:
        """Whether something has come in that was not read so far."""
        poller = select.poll()
        poller.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poller.poll(0))

    # --- Reading ---

    def data_received(self, data: bytes) -> None:
        if self._gathering.is_lingering:
            return
        self._progress_at = self.loop.time()
        if not self._input:
            self._input = data
            if not self.has_request:
                self._since = self._progress_at
        else:
            self._input += data
        self._read()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio.Protocol allows both
        """Tell whether the connection stays: a client that says no more may wait for its answer still.

        Not for a stream, which has no end to wait for: who says no more has left, and counts no longer.
        """
        self._is_half_closed = True
        self._gathering.flush()
        can_complete = self._is_answering and self._unread is None and not self.is_streaming
        if self._gathering.is_lingering or not can_complete:
            return False  # nothing that was begun can be completed
        if not self._input:
            self.cycle.keep_alive = False
        return True

    def on_response_complete(self) -> None:
        """Go on with the next request, which may have come in already."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._unread is None:
            self._since = self._progress_at = self.loop.time()
        self.flow.resume_reading()
        self._read()
        if self._is_half_closed and not self.has_request:
            self.transport.close()

    def _read(self) -> None:
        """Read on, one request at a time: the next one waits, unread, until this one is answered."""
        try:
            while self._input and not self.transport.is_closing():
                if self._unread is not None:
                    self._read_body(self._unread)
                    if self._unread is not None:
                        return
                elif self._is_answering:
                    self._wait_with_the_next()
                    return
                elif not self._read_head():
                    return
        except Refused as refused:
            self.refuse(refused.problem)

    def _wait_with_the_next(self) -> None:
        if framing.may_begin(self._input):
            self.flow.pause_reading()
        else:  # of no use, and the client may take the refusal for the answer to what it sends later
            self._is_refused, self.cycle.keep_alive = True, False

    def _read_head(self) -> bool:
        if self._input.startswith(b"\r\n"):  # after a body, from old clients (RFC 9112, section 2.2)
            self._input, self._looked_at = self._input[2:], 0
        end = framing.find_head(self._input, self._looked_at)
        self._looked_at = len(self._input)
        if not end:
            return False
        head = framing.parse_head(self._input[:end])
        self._input, self._looked_at = self._input[end:], 0
        self._begin(head)
        return True

    def _read_body(self, body: Body) -> None:
        piece, self._input = body.take(self._input)
        if not self.cycle.response_complete:
            self.cycle.body += piece
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
        if body.is_complete:
            self._unread = None
            self.cycle.more_body = False
            admission.release(self)
        elif not self.cycle.response_complete:
            admission.hold(self, len(piece))
        self.cycle.message_event.set()

    def _begin(self, head: Head) -> None:
        """Hand a request to the application; its body follows."""
        body = Body(head.length)
        self._body_seconds = LONG_BODY_SECONDS if head.path == framing.LONG_BODY.encode() else BODY_SECONDS
        self._since = self.loop.time()
        self._unread = None if body.is_complete else body
        self.cycle = RequestResponseCycle(
            scope=self._scope_of(head),  # type: ignore[arg-type]  # a plain dict
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=head.expects_continue and not body.is_complete,
            keep_alive=head.keep_alive and not (self._is_half_closed and not self._input),
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = self._unread is not None
        self.cycle.message_event.set()
        self._start_asgi_task(self.cycle, cast(Any, admission.refuse) if self._is_turned_away(head) else self.app)

    def _is_turned_away(self, head: Head) -> bool:
        return self.is_reserved and not head.path.startswith(b"/health")

    def _scope_of(self, head: Head) -> dict[str, Any]:
        path = head.path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": head.version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": head.method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "headers": head.headers,
            "state": self.app_state.copy(),
            "extensions": {"connection": self},  # for whom a stream begins: todoproject/http/streams.py
        }

    # --- Limits of time ---

    def check(self, now: float) -> None:
        """Close the connection if it has kept us waiting too long; called about once a second."""
        if self._gathering.is_lingering:
            if now - self._since > LINGER_SECONDS:
                self.transport.abort()
        elif self._is_stuck(now):
            self.transport.abort()
        elif self.flow.read_paused:
            self._progress_at = now  # it is we who do not read
        elif self._unread is not None:
            if now - self._since > self._body_seconds or now - self._progress_at > PROGRESS_SECONDS:
                self.refuse(Problem(REQUEST_TIMEOUT, REQUEST_TIMEOUT.description))
        elif not self._is_answering:
            self._check_silence(now)

    def _check_silence(self, now: float) -> None:
        if self._input:
            if now - self._since > HEAD_SECONDS:
                self.refuse(Problem(REQUEST_TIMEOUT, REQUEST_TIMEOUT.description))
        elif now - self._since > (self.timeout_keep_alive if self.has_served else HEAD_SECONDS):
            self.close_if_idle()  # a request that came in the last moment is answered

    def _is_stuck(self, now: float) -> bool:
        """Whether there is an answer of which the client takes nothing, or next to nothing."""
        taken, waiting = self._gathering.taken()
        if waiting != self.unread_bytes:
            admission.note_unread(self, waiting)
        if not waiting:
            self.unread_since = now
        if not waiting or taken - self._taken[0] >= WRITE_BYTES:
            self._taken = taken, now
        return now - self._taken[1] > WRITE_SECONDS

    # --- Refusing ---

    def linger(self) -> None:
        """Let what the client still sends come in, and look at none of it."""
        self._since = self.loop.time()
        self._input = b""
        admission.release(self)
        self.flow.resume_reading()

    def refuse(self, problem: Problem) -> None:
        """Answer what cannot be read to its end, and close: where the next request begins, nobody knows."""
        self._is_refused = True
        if not self._is_answering:
            if self._unread is None:  # else this one has its answer
                self._answer(problem)
        elif not self.cycle.response_started:
            self.cycle.disconnected = True  # for the application the client is gone
            self.cycle.message_event.set()
            self._answer(problem)
        self.transport.close()

    def _answer(self, problem: Problem) -> None:
        """Write an answer by hand, where there is no request, or nobody who answers it."""
        request_id = str(uuid7())
        token = logs.context.set(logs.RequestContext(request_id))
        try:
            response = problems.respond(problem, "/")
        finally:
            logs.context.reset(token)
        status = HTTPStatus(response.status_code)
        head = [
            f"HTTP/1.1 {status} {status.phrase}",
            *(f"{name}: {value}" for name, value in response.items()),
            f"X-Request-ID: {request_id}",
            f"Content-Length: {len(response.content)}",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.content)

    @property
    def _gathering(self) -> GatheringTransport:
        return cast(GatheringTransport, self.transport)
