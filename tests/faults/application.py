"""The application as it is run in production: one supervisor, several workers, each with its own pool."""

import asyncio
import os
import random
import signal
from dataclasses import dataclass
from uuid import uuid4

from tests.faults import processes
from tests.faults.client import Client
from tests.support.processes.servers import Server

WORKERS = 2
PASSWORD = "correct horse battery staple"
_STARTED = '"event":"started"'
_REQUEST = '"event":"request"'
_START_SECONDS = 120  # on a machine that many share


@dataclass(frozen=True)
class Account:
    """Somebody who has registered."""

    id: str
    token: str


class Application:
    """`manage.py runserver` with several workers; its processes can be found, measured and killed."""

    def __init__(self, count: int = WORKERS, **settings: str) -> None:
        self._server = Server("--workers", str(count), **settings)
        self._count = count
        self.port = self._server.port

    async def start(self) -> None:
        """Start it and wait until every worker serves."""
        started = self._server.log.count(_STARTED) + self._count
        await asyncio.to_thread(self._server.start, _START_SECONDS)
        for _ in range(_START_SECONDS * 20):
            if self._server.log.count(_STARTED) >= started:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"not every worker has started: {self._last_events()}")

    async def stop(self) -> int:
        """Ask it to end; return its exit code."""
        return await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        """Kill the supervisor and every worker, as a power cut would."""
        supervisor = self.supervisor
        family = [supervisor, *processes.descendants(supervisor)]
        for process in family:
            os.kill(process, signal.SIGKILL)
        await asyncio.to_thread(self._server.kill)
        for process in family:  # they hold the port until they are gone
            await processes.ended(process)

    def kill_worker(self) -> None:
        """Kill one worker; the supervisor starts another."""
        if workers := self.workers:
            os.kill(random.choice(workers), signal.SIGKILL)

    async def kill_supervisor(self) -> None:
        """Kill the supervisor alone; its processes notice, and end."""
        family = processes.descendants(self.supervisor)
        await asyncio.to_thread(self._server.kill)
        for process in family:
            await processes.ended(process)

    def reload(self) -> None:
        """Let the supervisor replace its workers by new ones."""
        os.kill(self.supervisor, signal.SIGHUP)

    def kill_background(self) -> None:
        """Kill the process that does what nobody waits for; the supervisor starts another."""
        for process in processes.children(self.supervisor):
            if "runworker" in processes.command(process):
                os.kill(process, signal.SIGKILL)

    @property
    def workers(self) -> list[int]:
        """The processes that serve: the supervisor's children, but for Python's own and the background's."""
        return [
            process
            for process in processes.children(self.supervisor)
            if not any(word in processes.command(process) for word in ("resource_tracker", "runworker"))
        ]

    @property
    def memory_kib(self) -> int:
        """Resident memory of all workers."""
        return sum(processes.resident_kib(process) for process in self.workers)

    @property
    def descriptors(self) -> int:
        """Open files and sockets of all workers."""
        return sum(processes.descriptors(process) for process in self.workers)

    @property
    def last_words(self) -> str | None:
        """The end of the log, where the server has ended though nobody asked it to; else None."""
        assert self._server.process is not None
        return None if self._server.process.poll() is None else self._last_events()

    @property
    def errors(self) -> list[str]:
        """What the log tells as errors, to explain a 500."""
        return [line for line in self._server.log.splitlines() if '"level":"ERROR"' in line]

    async def register(self) -> Account:
        """Make an account through the API; try again where the server has yet to notice that its database is back."""
        client = Client(self.port)
        for _ in range(_START_SECONDS):
            # Another address each time: of the last one nobody knows whether it was registered.
            body = {"email": f"fault-{uuid4().hex}@example.com", "password": PASSWORD}
            answer = await client.ask("POST", "/v1/auth/register", body)
            if answer.status == 201:
                client.close()
                return Account(answer.document["user"]["id"], answer.document["token"])
            await asyncio.sleep(1)
        raise AssertionError(f"registering is answered {answer}")

    async def close(self) -> None:
        """End it, and forget its log."""
        await asyncio.to_thread(self._server.__exit__)

    def count_in_log(self, words: str) -> int:
        """Count the lines of the log that say this."""
        return sum(words in line for line in self._server.log.splitlines())

    def _last_events(self) -> str:
        lines = [line for line in self._server.log.splitlines() if _REQUEST not in line]
        return "\n".join(lines[-5:])

    @property
    def supervisor(self) -> int:
        """The process that keeps the workers."""
        assert self._server.process is not None
        return self._server.process.pid
