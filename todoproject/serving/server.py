"""uvicorn's server, with an end that loses no request.

uvicorn closes idle connections the moment it is told to end, also those whose request is already on its way, and a
client cannot tell whether that request was done. Here every answer says `Connection: close` first, an idle connection
is left a while to ask once more, and only a socket with nothing to read is closed (RFC 9112, section 9.6).
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from django.conf import settings

from tasks.live.streams import streams
from todoproject.background import control as words
from todoproject.background.control import ASKED, BEAT, READY, RETIRE, WROTE
from todoproject.http import activity
from todoproject.monitoring import draining
from todoproject.serving import admission
from todoproject.serving.protocol import Protocol

logger = logging.getLogger("todoproject")

# How long a connection without a request may still bring one. Clients that reuse a connection do so sooner.
IDLE_GRACE_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 0.02
_BEAT_EVERY_SECONDS = 1.0
_CHECK_EVERY_SECONDS = 1.0

# Over how long streams end, so that those who listen do not all come back at once.
STREAMS_END_SECONDS = 3.0
# Many writes are one message to the supervisor.
_GATHER_SECONDS = 0.05

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Server(uvicorn.Server):
    """Serve one listening socket. With `control`, a socket to a supervisor: tell it that we are ready, and obey it."""

    def __init__(self, config: uvicorn.Config, control: socket.socket | None = None) -> None:
        super().__init__(config)
        self._control = control
        self._is_retiring = False  # another process of ours goes on: what we do not take, it will
        self._is_hurried = False  # somebody at a terminal waits
        self._was_asked = self._is_gathering = False  # what the supervisor is to be told
        self._writers: set[str] = set()
        self._checks = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._control is not None:
            self._control.setblocking(False)
            loop = asyncio.get_running_loop()
            loop.add_reader(self._control, self._obey, self._control)
            activity.listeners.append(partial(self._note_request, loop))
            self._tell(READY)

    async def on_tick(self, counter: int) -> bool:
        if counter % int(_BEAT_EVERY_SECONDS * 10) == 0:
            self._tell(ASKED + BEAT if self._was_asked else BEAT)
            self._was_asked = False
        if counter % int(_CHECK_EVERY_SECONDS * 10) == 0:
            self._check_connections()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End after what is under way; at the second signal, at once."""
        self._captured_signals.append(sig)
        self._is_hurried = sig == signal.SIGINT
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go in order: say so, stop accepting, finish what is under way, close what is idle."""
        self._close_after_answers()
        if not self._is_retiring:
            draining.announced.set()
            if not self._is_hurried:
                await self._pause(settings.SHUTDOWN_DELAY)
        await self._stop_accepting(sockets or [])
        # Those who come back meet the others, or the next server.
        streams.close(0.0 if self._is_hurried else min(STREAMS_END_SECONDS, settings.SHUTDOWN_TIMEOUT / 4))
        if not await self._drained():
            self._give_up()
        if not self.force_exit:
            await self.lifespan.shutdown()

    def _close_after_answers(self) -> None:
        """Make each answer the last one of its connection."""
        application = cast(Application, self.config.loaded_app)
        if not isinstance(application, _LastAnswers):
            application = self.config.loaded_app = _LastAnswers(application)
        for connection in self._connections():
            connection.app = application
            if connection.has_served and not connection.cycle.response_started:
                connection.cycle.keep_alive = False

    async def _stop_accepting(self, listeners: list[socket.socket]) -> None:
        """Close the listening sockets, after taking what waits there already, unless somebody else takes it."""
        waiting = [] if self._is_retiring else [listener.dup() for listener in listeners]
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        for listener in waiting:
            with listener:
                await self._take_the_rest(listener)

    async def _take_the_rest(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        with suppress(OSError):  # nobody waits any more
            while True:
                client, _ = listener.accept()
                await asyncio.get_running_loop().connect_accepted_socket(self._new_connection, client)

    def _new_connection(self) -> Protocol:
        return Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def _drained(self) -> bool:
        """Wait until no connection and no task is left; tell whether that was in time."""
        started = time.monotonic()
        grace = 0.0 if self._is_hurried else IDLE_GRACE_SECONDS
        while self.server_state.connections or self.server_state.tasks:
            elapsed = time.monotonic() - started
            if self.force_exit or elapsed > settings.SHUTDOWN_TIMEOUT:
                return False
            self._check_connections()
            if elapsed >= grace:
                for connection in self._connections():
                    connection.close_if_idle()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return True

    def _give_up(self) -> None:
        count = len(self.server_state.tasks)
        logger.error("ended with requests under way", extra={"requests": count, "told_twice": self.force_exit})
        for connection in self._connections():
            connection.cut_off()
        for task in self.server_state.tasks:
            task.cancel()

    async def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110 -- set by a signal handler
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _check_connections(self) -> None:
        now = asyncio.get_running_loop().time()
        self._checks += 1
        for connection in admission.due(self._checks):
            connection.check(now)
        admission.shed(now)

    def _connections(self) -> list[Protocol]:
        return [connection for connection in self.server_state.connections if isinstance(connection, Protocol)]

    def _obey(self, control: socket.socket) -> None:
        """Read what the supervisor says. Where it is gone, nobody would end us: so end."""
        said = b""
        with suppress(ConnectionError):
            said = control.recv(65536)
        streams.wake(words.owners(said))
        if said and RETIRE not in said:
            return
        self._is_retiring = RETIRE in said
        asyncio.get_running_loop().remove_reader(control)
        self.should_exit = True

    def _note_request(self, loop: asyncio.AbstractEventLoop, wrote: bool, owner: str | None) -> None:
        """Take in, in any thread, that a request was answered: the background process wants to know."""
        self._was_asked = True
        if owner is not None and len(self._writers) < words.MOST_OWNERS:
            self._writers.add(owner)
        if wrote and not self._is_gathering:
            self._is_gathering = True
            loop.call_soon_threadsafe(loop.call_later, _GATHER_SECONDS, self._tell_of_writes)

    def _tell_of_writes(self) -> None:
        self._is_gathering = False
        owners, self._writers = self._writers, set()
        self._tell(words.wrote(owners) or WROTE)

    def _tell(self, message: bytes) -> None:
        if self._control is not None:
            with suppress(OSError):  # gone, or not listening just now
                self._control.send(message)


class _LastAnswers:
    """The application, saying in each answer that its connection ends with it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_last(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._application(scope, receive, send_last)
