"""Clients that do to tasks and lists all that changes them, several to an account, until each is answered."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.faults.application import Account
from tests.faults.client import Answer, Client, Lost

_PAUSE_SECONDS = 0.02
_RETRY_SECONDS = 0.1
_RECOVERY_SECONDS = 120
_MANY = {"tasks": 150, "lists": 15}  # a copy is compared whole, so that it stays small
# What the others have done meanwhile, or what cannot be: as good as any other answer.
_REFUSED = (404, 409, 422)
_NOBODYS = "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e04"


@dataclass
class Things:
    """What the editors of an account know of it, and what they were told is done."""

    ids: dict[str, list[str]] = field(default_factory=lambda: {"tasks": [], "lists": []})
    numbers: set[int] = field(default_factory=set)  # of changes that were acknowledged
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def any(self, table: str) -> str:
        return random.choice(self.ids[table] or [_NOBODYS])

    def note(self, name: str, answer: Answer) -> None:
        """Keep what an answer says was made and done."""
        if answer.status in _REFUSED:
            self.done["refused"] += 1
            return
        self.done[name] += 1
        if number := answer.headers.get("change-no"):
            self.numbers.add(int(number))
        document = answer.document if answer.body else {}
        results = document.get("results", []) if isinstance(document, dict) else []
        for body in [document, *(result["body"] for result in results if result["status"] == 201)]:
            self._know(body)

    def _know(self, body: Any) -> None:
        if isinstance(body, dict) and "id" in body:
            ids = self.ids["lists" if "name" in body else "tasks"]
            if body["id"] not in ids:
                ids.append(body["id"])


class Editor:
    """One client of an account, which does one thing after another."""

    def __init__(self, port: int, account: Account, things: Things) -> None:
        self._client, self._things = Client(port, account.token), things
        # How often each is done, of 25.
        self._acts: dict[Callable[[], Any], int] = {
            self._create: 5,
            self._change: 4,
            self._complete: 3,
            self._move: 4,
            self._delete: 3,
            self._restore: 2,
            self._undo: 2,
            self._batch: 1,
            self._list: 1,
        }

    async def run(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            [act] = random.choices(list(self._acts), list(self._acts.values()))
            await act()
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE_SECONDS))
        self._client.close()

    async def _create(self) -> None:
        if len(self._things.ids["tasks"]) >= _MANY["tasks"]:
            await self._restore()
            return
        under = random.choice([{}, {}, {"parent_id": self._any()}, {"list_id": self._any("lists")}])
        await self._do("created", "POST", "/v1/tasks", {"title": uuid4().hex} | under)

    async def _change(self) -> None:
        await self._do("changed", "PATCH", f"/v1/tasks/{self._any()}", {"description": uuid4().hex})

    async def _complete(self) -> None:
        verb = random.choice(["complete", "complete", "reopen"])
        await self._do("completed and reopened", "POST", f"/v1/tasks/{self._any()}/{verb}")

    async def _move(self) -> None:
        other = self._any()
        places = [{"list_id": None}, {"list_id": self._any("lists")}, {"parent_id": None}, {"parent_id": other}]
        beside = [{"before": other}, {"after": other}, {"parent_id": None, "first": True}]
        await self._do("moved", "POST", f"/v1/tasks/{self._any()}/move", random.choice([*places, *beside]))

    async def _delete(self) -> None:
        await self._do("deleted", "DELETE", f"/v1/tasks/{self._any()}")

    async def _restore(self) -> None:
        table = random.choice(["tasks", "tasks", "lists"])
        id_ = self._any(table)
        answer = await self._do("restored", "POST", f"/v1/{table}/{id_}/restore")
        if answer.status == 404 and id_ in self._things.ids[table]:  # it was purged
            self._things.ids[table].remove(id_)

    async def _undo(self) -> None:
        page = await self._insist("GET", "/v1/history?limit=20", None)
        if entries := page.document["items"]:
            await self._do("undone", "POST", f"/v1/changes/{random.choice(entries)['change_no']}/undo")

    async def _batch(self) -> None:
        operations = [
            {"op": "create", "data": {"title": uuid4().hex}},
            {"op": "update", "id": self._any(), "data": {"description": uuid4().hex}},
            {"op": "complete", "id": self._any()},
            {"op": "move", "id": self._any(), "data": {"list_id": self._any("lists")}},
            {"op": "update", "kind": "list", "id": self._any("lists"), "data": {"name": uuid4().hex}},
        ]
        document = {"operations": random.sample(operations, 4)}
        await self._do("batches", "POST", f"/v1/tasks/batch?atomic={random.choice(['true', 'false'])}", document)

    async def _list(self) -> None:
        path, name = f"/v1/lists/{self._any('lists')}", "lists made, changed, moved and deleted"
        if len(self._things.ids["lists"]) < 3:
            await self._do(name, "POST", "/v1/lists", {"name": uuid4().hex})
            return
        requests: list[tuple[str, str, object]] = [
            ("PATCH", path, {"name": uuid4().hex}),
            ("POST", f"{path}/move", {"first": True}),
            ("DELETE", f"{path}?tasks={random.choice(['move', 'delete'])}", None),
        ]
        if len(self._things.ids["lists"]) < _MANY["lists"]:
            requests.append(("POST", "/v1/lists", {"name": uuid4().hex}))
        await self._do(name, *random.choice(requests))

    def _any(self, table: str = "tasks") -> str:
        return self._things.any(table)

    async def _do(self, name: str, method: str, path: str, document: object = None) -> Answer:
        answer = await self._insist(method, path, document)
        self._things.note(name, answer)
        return answer

    async def _insist(self, method: str, path: str, document: object) -> Answer:
        """Send a request until it is answered; under one key where it takes one, so that it is done once."""
        key = str(uuid4()) if method in ("POST", "PATCH") else ""
        deadline = time.monotonic() + _RECOVERY_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await self._client.ask(method, path, document, key=key)
            except Lost:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if answer.status in (200, 201, 204, 207, *_REFUSED):
                return answer
            if answer.status != 503:
                self._things.wrong.append(f"{method} {path} was answered {answer.status}: {answer.body[:300]!r}")
            await asyncio.sleep(_RETRY_SECONDS)
        raise AssertionError(f"{method} {path} is not answered any more")
