"""Let clients keep copies by the feed of changes alone, while people write, rows are purged, and all else is killed."""

import asyncio
import io
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.management import call_command
from django.db import connections

from tests.faults.application import Account, Application
from tests.faults.client import Answer, Client, Lost
from tests.faults.copies import Change, Copy, Thing
from tests.faults.editors import Editor, Things
from tests.faults.followers import Follower, Listener
from tests.faults.lab import Lab, Outcome

LETTER = "q"
CLAIM = "A copy kept by the feed of changes alone equals the server: nothing missed, out of order or somebody else's"

_MINUTES = 30
_ACCOUNTS, _EDITORS_EACH = 3, 2
# What happens again and again; after so many of them everybody rests, and the copies are compared.
_WORKER, _POSTGRES, _BROKEN, _SLEEP = "worker killed", "PostgreSQL killed", "all connections broken", "sleep"
_RELOAD = "reload"
_PURGE, _REMOVAL = "purge", "rows removed by SQL"
_FAULTS = [_WORKER, _POSTGRES, _BROKEN, _SLEEP, _RELOAD, _PURGE, _PURGE, _REMOVAL]
_LAST = _REMOVAL  # also in the end, when each copy has rows that it will not see go
_REST_AFTER = 4
_WRITES_BETWEEN = 15
_RECOVERY_SECONDS = 60
_RETRY_SECONDS = 0.1
# How many changes a follower reads at once, at most, and how long it waits where there are no more.
_FOLLOWERS = {"eager": (4, 0.05), "lazy": (50, 1.0)}
# By itself and first: a statement that also locks would not see what was written while it waited.
_LOCK_OWNERS = "SELECT FROM todo.users WHERE id = ANY (%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
_AGE = (
    "UPDATE todo.{table} SET deleted_at = now() - interval '400 days'"
    " WHERE deleted_at IS NOT NULL AND random() < 0.6 AND user_id = ANY (%s::uuid[])"
)
# Without a trace, and out of the middle: only what nothing stands under.
_REMOVE = (
    "DELETE FROM todo.tasks AS gone WHERE user_id = ANY (%s::uuid[]) AND random() < 0.2"
    " AND NOT EXISTS (SELECT FROM todo.tasks AS under WHERE (under.user_id, under.parent_id) = (gone.user_id, gone.id))"
)
_LOG = "SELECT change_no, kind, entity_id::text FROM todo.changes WHERE user_id = %s"
_ROWS = """
SELECT change_no, 'task', id::text FROM todo.tasks WHERE user_id = %(owner)s
 UNION ALL SELECT change_no, 'list', id::text FROM todo.lists WHERE user_id = %(owner)s
"""
_NUMBER = "SELECT change_no FROM todo.users WHERE id = %s"


async def run(lab: Lab) -> Outcome:
    settings = {"STREAM_LIFETIME_SECONDS": "3600", "LIVE_POLL_SECONDS": "1"}
    play = _Play(lab, await lab.application(**settings))
    await play.prepare()
    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(owner.listener.listen()) for owner in play.owners]
        await play.rounds()
        for task in listening:
            task.cancel()
    await play.audit()
    return play.outcome


@dataclass
class _Owner:
    """An account, who writes to it, and who follows."""

    account: Account
    reader: Client
    listener: Listener
    things: Things = field(default_factory=Things)
    followers: dict[str, Follower] = field(default_factory=dict)

    @property
    def copies(self) -> dict[str, Copy]:
        return {name: follower.copy for name, follower in {**self.followers, "listener's": self.listener}.items()}


class _Play:
    """The people, those who follow them, and what becomes of both."""

    def __init__(self, lab: Lab, application: Application) -> None:
        self.outcome = Outcome()
        self._lab, self._application = lab, application
        self.owners: list[_Owner] = []
        self._faults: Counter[str] = Counter()
        self._rests = False
        self._started = time.monotonic()
        self._rests_taken = self._compared = 0

    async def prepare(self) -> None:
        for _ in range(_ACCOUNTS):
            account = await self._application.register()
            port = self._application.port
            owner = _Owner(account, Client(port, account.token), Listener(port, account))
            await owner.listener.catch_up()
            # One looks only when everybody rests: much was purged since.
            for name, (limit, _) in {**_FOLLOWERS, "absent": (100, 0.0)}.items():
                owner.followers[name] = Follower(port, account, limit)
            self.owners.append(owner)

    async def rounds(self) -> None:
        """Write and break, rest and compare, until the time is over and each fault was done."""
        minutes, faults = self._lab.length(_MINUTES), list[str]()
        while not self.outcome.failures and (not self._rests_taken or faults or _since(self._started) < minutes):
            faults = faults or [*random.sample(_FAULTS, len(_FAULTS)), _LAST]
            now, faults = faults[:_REST_AFTER], faults[_REST_AFTER:]
            self._lab.say(f"{self._written()} writes, {self._compared} comparisons; {', '.join(now)}")
            await self._write_and_break(now)
            for owner in self.owners:
                await self._compare(owner)
            self._rests_taken += 1

    async def _write_and_break(self, faults: list[str]) -> None:
        self._rests = False
        async with asyncio.TaskGroup() as group:
            for owner in self.owners:
                for _ in range(_EDITORS_EACH):
                    editor = Editor(self._application.port, owner.account, owner.things)
                    group.create_task(editor.run(lambda: self._rests))
                for name, (_, pause) in _FOLLOWERS.items():
                    group.create_task(self._follow(owner.followers[name], pause))
            for fault in faults:
                await self._more_written()
                await self._break(fault)
                self._faults[fault] += 1
            await self._more_written()
            self._rests = True

    async def _follow(self, follower: Follower, pause: float) -> None:
        while not self._rests:
            if not await follower.read():
                await asyncio.sleep(random.uniform(0, pause))

    def _written(self) -> int:
        return sum(len(owner.things.numbers) for owner in self.owners)

    async def _more_written(self) -> None:
        wanted, deadline = self._written() + _WRITES_BETWEEN, time.monotonic() + _RECOVERY_SECONDS
        while self._written() < wanted:
            if time.monotonic() > deadline or self._application.last_words is not None:
                raise AssertionError(f"writes have stopped for good: {self._application.last_words}")
            await asyncio.sleep(0.01)

    async def _break(self, fault: str) -> None:
        """Do one fault, and start again what does not start by itself."""
        owners = [owner.account.id for owner in self.owners]
        if fault == _WORKER:
            self._application.kill_worker()
        elif fault == _RELOAD:
            self._application.reload()
        elif fault == _POSTGRES:
            await self._lab.cluster.stop("immediate")
            await self._lab.cluster.start()
        elif fault == _BROKEN:
            self._lab.proxy.drop()
        elif fault == _SLEEP:
            self._lab.proxy.sleep(with_farewell=random.random() < 0.5)
        elif fault == _PURGE:
            for table in ("tasks", "lists"):
                async with self._lab.cluster.holding(_LOCK_OWNERS, [owners]) as session:
                    await session.execute(_AGE.format(table=table), [owners])
            await asyncio.to_thread(_purge)
        else:
            async with self._lab.cluster.holding(_LOCK_OWNERS, [owners]) as session:
                await session.execute(_REMOVE, [owners])

    async def _compare(self, owner: _Owner) -> None:
        """Hold each copy against what the API lists, at a moment when nobody writes.

        A request whose client was lost may still be under way: then it is done again.
        """
        account = owner.account.id
        for _ in range(_RECOVERY_SECONDS):
            before = await self._lab.cluster.query(_NUMBER, [account])
            for follower in owner.followers.values():
                await asyncio.wait_for(follower.catch_up(), _RECOVERY_SECONDS)
            held = await self._held(owner)
            rows = [Change(*row) for row in await self._lab.cluster.query(_ROWS, {"owner": account})]
            if await self._lab.cluster.query(_NUMBER, [account]) == before:
                break
            await asyncio.sleep(1)
        else:
            raise AssertionError("somebody goes on writing")
        await owner.listener.wait_until(lambda: not owner.listener.copy.audit(held, rows))
        for name, copy in owner.copies.items():
            self.outcome.failures += [f"{name} copy: {wrong}" for wrong in copy.audit(held, rows)]
            self._compared += 1

    async def _held(self, owner: _Owner) -> dict[Thing, Any]:
        """Return what the API lists."""
        found: dict[Thing, Any] = {}
        for kind in ("task", "list"):
            cursor: dict[str, str] = {}
            while True:
                page = (await self._list(owner.reader, f"/v1/{kind}s?{urlencode({'limit': 200, **cursor})}")).document
                found |= {(kind, row["id"]): row for row in page["items"]}
                if page["next_cursor"] is None:
                    break
                cursor = {"cursor": page["next_cursor"]}
        return found

    async def _list(self, reader: Client, path: str) -> Answer:
        deadline = time.monotonic() + _RECOVERY_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await reader.ask("GET", path)
            except Lost:
                answer = None
            if answer is not None and answer.status == 200:
                return answer
            await asyncio.sleep(_RETRY_SECONDS)
        raise AssertionError(f"{path} is not answered any more")

    async def audit(self) -> None:
        """Hold what was told and acknowledged against the log of changes; count."""
        done: Counter[str] = sum((owner.things.done for owner in self.owners), Counter())
        copies = [copy for owner in self.owners for copy in owner.copies.values()]
        changes = 0
        for owner in self.owners:
            log = [Change(*row) for row in await self._lab.cluster.query(_LOG, [owner.account.id])]
            changes += len(log)
            for name, copy in owner.copies.items():
                self.outcome.failures += [f"{name} copy: {wrong}" for wrong in copy.audit_told(log)]
            lost = owner.things.numbers - {change.change_no for change in log}
            self.outcome.require(not lost, f"{len(lost)} acknowledged changes are not in the log: {sorted(lost)[:5]}")
            self.outcome.failures += owner.things.wrong
        restarts = sum(copy.restarts for copy in copies)
        self.outcome.require(restarts, "no copy has begun anew, though rows were removed behind its back")
        refused = done.pop("refused", 0)
        self.outcome.counts = {
            "minutes": round(_since(self._started), 2),
            **dict(sorted(self._faults.items())),
            "writes acknowledged": done.total(),
            **{f"of these {name}": count for name, count in sorted(done.items())},
            "writes refused": refused,
            "changes": changes,
            "copies": len(copies),
            "of these kept by a stream": len(self.owners),
            "streams opened": sum(owner.listener.opened for owner in self.owners),
            "changes they applied": sum(copy.applied for copy in copies),
            "begun anew (410)": restarts,
            "quiet moments": self._rests_taken,
            "times a copy was compared": self._compared,
            "missed, out of order or somebody else's": len(self.outcome.failures),
        }


def _since(moment: float) -> float:
    """Return the minutes since a moment of the monotonic clock."""
    return (time.monotonic() - moment) / 60


def _purge() -> None:
    try:
        call_command("purge", verbosity=0, stdout=io.StringIO())
    finally:
        connections.close_all()
