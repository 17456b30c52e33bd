"""Clients that write while everything breaks, and keep a ledger of what they were told."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.faults.application import Account
from tests.faults.client import Answer, Client, Lost
from tests.faults.cluster import Cluster
from tests.faults.ledger import Entry, Ledger, Row, Write

BATCH = 3  # tasks that one batch creates; it changes another one, too
_PAUSE_SECONDS = 0.02  # between a writer's requests: the faults are under proof, not the speed
_RETRY_SECONDS = 0.1  # shorter than Retry-After asks for, so that clients press while the server comes back
_RECENT = 20  # changed and deleted are the last so many tasks
_ROWS = """
SELECT user_id::text, id::text, title, description, version, deleted_at IS NOT NULL
  FROM todo.tasks WHERE user_id = ANY (%s::uuid[])
"""


class Writer:
    """One account's client, which writes one thing after another, half of it with an Idempotency-Key."""

    def __init__(self, port: int, account: Account, ledger: Ledger) -> None:
        self.account = account
        self.replays = 0  # answers that were a stored one
        self._client = Client(port, account.token)
        self._ledger = ledger
        self._recent: list[Entry] = []
        self._is_stopping = False
        self._counter = 0
        self._name = f"{account.id} {uuid4().hex[:8]}"  # an account may have several writers

    async def run(self) -> None:
        """Write until told to stop; what is retried then is given up, its fate unknown."""
        while not self._is_stopping:
            await self._one_write()
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE_SECONDS))
        self._client.close()

    def stop(self) -> None:
        self._is_stopping = True

    async def _one_write(self) -> None:
        kinds = [self._create, self._batch, self._change, self._delete] if self._recent else [self._create]
        await random.choice(kinds)(str(uuid4()) if random.random() < 0.5 else "")

    async def _create(self, key: str) -> None:
        title, entry = self._new_task()
        answer = await self._ask("POST", "/v1/tasks", {"title": title}, key, 201)
        if answer is not None:
            self._know(entry, answer.document["id"])

    async def _batch(self, key: str) -> None:
        tasks = [self._new_task() for _ in range(BATCH)]
        changed, change = self._new_change()
        self._ledger.batches.append([title for title, _ in tasks])
        operations: list[dict[str, Any]] = [{"op": "create", "data": {"title": title}} for title, _ in tasks]
        operations.append({"op": "update", "id": changed.id, "data": {"description": change.text}})
        answer = await self._ask("POST", "/v1/tasks/batch", {"operations": operations}, key, 200)
        if answer is not None:
            self._ledger.acknowledge(change)
            for (_, entry), result in zip(tasks, answer.document["results"], strict=False):
                self._know(entry, result["body"]["id"])

    async def _change(self, key: str) -> None:
        entry, change = self._new_change()
        if await self._ask("PATCH", f"/v1/tasks/{entry.id}", {"description": change.text}, key, 200):
            self._ledger.acknowledge(change)

    async def _delete(self, _: str) -> None:  # DELETE takes no key: it is idempotent by nature
        entry = self._recent.pop(random.randrange(len(self._recent)))
        entry.deletion = Write()
        if await self._ask("DELETE", f"/v1/tasks/{entry.id}", None, "", 204):
            self._ledger.acknowledge(entry.deletion)

    def _new_task(self) -> tuple[str, Entry]:
        title, entry = f"{self._name} {self._next()}", Entry(self.account.id)
        self._ledger.tasks[title] = entry
        return title, entry

    def _new_change(self) -> tuple[Entry, Write]:
        entry, change = random.choice(self._recent), Write(text=f"change {self._next()}")
        entry.changes.append(change)
        return entry, change

    def _next(self) -> int:
        self._counter += 1
        return self._counter

    def _know(self, entry: Entry, task_id: str) -> None:
        self._ledger.acknowledge(entry.creation)
        entry.id = task_id
        self._recent = [*self._recent, entry][-_RECENT:]

    async def _ask(self, method: str, path: str, document: Any, key: str, success: int) -> Answer | None:
        """Return the answer of a write that succeeded, or None where its outcome stays unknown.

        Only with a key may it be sent again: that is what keys are for.
        """
        while True:
            answer = await self._ask_once(method, path, document, key)
            if answer is not None and answer.status == success:
                self.replays += "idempotency-replayed" in answer.headers
                return answer
            # 409: what was lost is still being worked on.
            if answer is not None and answer.status not in ((503, 409) if key else (503,)):
                self._ledger.refusals.append(f"{method} {path} was answered {answer.status}: {answer.body[:300]!r}")
                return None
            if not key or self._is_stopping:
                return None
            await asyncio.sleep(_RETRY_SECONDS)

    async def _ask_once(self, method: str, path: str, document: Any, key: str) -> Answer | None:
        try:
            return await self._client.ask(method, path, document, key=key)
        except Lost:
            await asyncio.sleep(_RETRY_SECONDS)
        except TimeoutError:
            self._ledger.refusals.append(f"{method} {path} was not answered within a minute")
        return None


@asynccontextmanager
async def writing(port: int, accounts: Sequence[Account], ledger: Ledger) -> AsyncIterator[list[Writer]]:
    """Let a writer for each account write while the block runs; afterwards all have ended."""
    writers = [Writer(port, account, ledger) for account in accounts]
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.run())
        try:
            yield writers
        finally:
            for writer in writers:
                writer.stop()


async def rows_of(cluster: Cluster, accounts: Sequence[Account]) -> list[Row]:
    """Read the accounts' tasks past the API, its fence and everything that stands in front."""
    return [Row(*row) for row in await cluster.query(_ROWS, [[account.id for account in accounts]])]
