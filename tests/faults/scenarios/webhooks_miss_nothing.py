"""Kill what serves, what delivers and what stores, while people write, and their webhooks and reminders are awaited.

Two machines serve one database, each with a background process of its own.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.faults import clock
from tests.faults.application import Account, Application
from tests.faults.client import Answer, Client, Lost
from tests.faults.hooks import Arrival, Ears, Event, Hook, early, listening
from tests.faults.lab import Lab, Outcome

LETTER = "p"
CLAIM = "Each event reaches its webhook, signed right, none after its end; a reminder fires once, and never early"

_WORKER, _BACKGROUND, _SUPERVISOR, _POSTGRES = (
    f"{what} killed" for what in ("worker", "background process", "supervisor", "PostgreSQL")
)
_CLOCK = "clock set back"
_FAULTS = {
    _WORKER: (6, 1),
    _BACKGROUND: (10, 2),
    _SUPERVISOR: (4, 1),
    _POSTGRES: (6, 1),
    _CLOCK: (3, 1),
}  # full form, short form
_ACCOUNTS, _HOOKS_EACH = 3, 2  # and one of each that is deleted on the way
_WRITES_BETWEEN = 15
_RECOVERY_SECONDS = 60
# Whoever was killed with a hook in hand has it for 30 s; a try that has failed is repeated after five.
_DRAIN_SECONDS = 120
_PAUSE_SECONDS = 0.06
# Hooks take some fifteen events a second here: one in a hundred is refused, and tried again after five. Who writes
# waits for them, so that what is counted is what gets lost and not what is still to come.
_FAR_BEHIND = {False: 200, True: 50}  # full form, short form
_FIRED = "SELECT FROM todo.changes WHERE event = 'reminder' AND entity_id = ANY (%s::uuid[])"
_LOG = """
SELECT change_no, kind || '.' || event, entity_id::text, extract(epoch FROM at)::float
  FROM todo.changes WHERE user_id = %s AND kind = 'task' AND event <> 'respaced' ORDER BY change_no
"""


@dataclass
class _Wished:
    """What the writers of one account were told is done."""

    tasks: set[str] = field(default_factory=set)
    reminders: dict[str, float] = field(default_factory=dict)  # by task: when, in seconds since 1970
    completed: int = 0

    @property
    def events(self) -> int:
        return len(self.tasks) + len(self.reminders) + self.completed


async def run(lab: Lab) -> Outcome:
    async with listening() as ears:
        settings = {"BACKGROUND": "true", "BACKGROUND_POLL_SECONDS": "1", "WEBHOOK_PRIVATE_HOSTS": "127.0.0.1"}
        first = await lab.application(**settings)
        async with lab.second_machine(**settings) as second:
            play = _Play(lab, [first, second], ears)
            await play.prepare()
            await play.write_and_break()
            await play.drain()
            await play.audit()
        await lab.end_application()  # nobody else listens where its hooks lead
    return play.outcome


class _Play:
    """The people, their hooks, and what becomes of both."""

    def __init__(self, lab: Lab, machines: Sequence[Application], ears: Ears) -> None:
        self.outcome = Outcome()
        self._lab, self._machines, self._ears = lab, machines, ears
        self._wished: dict[Account, _Wished] = {}
        self._is_over = False
        self._put_off = 0  # reminders that were to fire when the clock was set back
        self._faults: Counter[str] = Counter()

    async def prepare(self) -> None:
        for _ in range(_ACCOUNTS):
            account = await self._any().register()
            self._wished[account] = _Wished()
            for _ in range(_HOOKS_EACH + 1):
                await self._make_hook(account)

    async def _make_hook(self, account: Account) -> None:
        path = f"/{uuid.uuid4().hex}"
        wanted = {"url": self._ears.url(path), "events": ["task.*"]}
        answer = await self._insist(Client(self._any().port, account.token), "POST", "/v1/webhooks", wanted)
        self._ears.hooks[path] = Hook(answer.document["id"], account.id, answer.document["secret"])

    async def write_and_break(self) -> None:
        faults = [fault for fault, counts in _FAULTS.items() for _ in range(counts[self._lab.is_short])]
        random.shuffle(faults)
        if self._lab.is_short:  # a clock that is set ends the leases of whoever was killed: nobody waits for them
            faults.sort(key=_CLOCK.__eq__)
        ends = set(random.sample(range(len(faults)), _ACCOUNTS))  # after which faults a hook is deleted
        async with asyncio.TaskGroup() as group:
            for account in self._wished:
                for machine in self._machines:
                    group.create_task(self._write(account, machine))
            for number, fault in enumerate(faults):
                self._lab.say(f"{number + 1}/{len(faults)} {fault}")
                await self._more_written(_WRITES_BETWEEN)
                await self._break(fault)
                self._faults[fault] += 1
                if number in ends:
                    await self._delete_a_hook()
                if not self._lab.is_short and random.random() < 0.5:
                    await self._all_came(_RECOVERY_SECONDS, up_to=self._reached())
            await self._more_written(_WRITES_BETWEEN)
            self._is_over = True

    async def _write(self, account: Account, machine: Application) -> None:
        """Make tasks, half of them with a reminder in a moment, change and delete some."""
        client, wished = Client(machine.port, account.token), self._wished[account]
        while not self._is_over:
            if self._is_far_behind(account):
                await asyncio.sleep(0.1)
                continue
            due = time.time() + random.uniform(0.5, 4)
            reminds = random.random() < 0.5
            at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=due)).isoformat()
            task = {"title": uuid.uuid4().hex} | ({"reminders": [{"at": at}]} if reminds else {})
            made = (await self._insist(client, "POST", "/v1/tasks", task)).document["id"]
            wished.tasks.add(made)
            if reminds:
                wished.reminders[made] = due
            elif random.random() < 0.5:
                await self._insist(client, "POST", f"/v1/tasks/{made}/complete")
                wished.completed += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        client.close()

    def _is_far_behind(self, account: Account) -> bool:
        hooks = [hook for hook in self._ears.hooks.values() if hook.owner == account.id and hook.deleted_at is None]
        return min(len(hook.taken) for hook in hooks) < self._wished[account].events - _FAR_BEHIND[self._lab.is_short]

    async def _insist(self, client: Client, method: str, path: str, document: object = None) -> Answer:
        """Send a request until it is answered, under one key, so that it is done once."""
        key = str(uuid.uuid4()) if method == "POST" else ""
        deadline = time.monotonic() + _RECOVERY_SECONDS * 2
        while time.monotonic() < deadline:
            try:
                answer = await client.ask(method, path, document, key=key)
            except Lost:
                await asyncio.sleep(0.1)
                continue
            if answer.status in (200, 201, 204):
                return answer
            if answer.status not in (503, 409, 404):
                raise AssertionError(f"{method} {path} was answered {answer.status}: {answer.body[:300]!r}")
            if answer.status == 404 and method == "DELETE":  # the answer was lost, and it was done
                return answer
            await asyncio.sleep(0.1)
        raise AssertionError(f"{method} {path} is not answered any more")

    def _any(self) -> Application:
        return random.choice(self._machines)

    def _written(self) -> int:
        return sum(len(wished.tasks) for wished in self._wished.values())

    async def _more_written(self, count: int) -> None:
        wanted, deadline = self._written() + count, time.monotonic() + _RECOVERY_SECONDS * 2
        while self._written() < wanted:
            if time.monotonic() > deadline:
                raise AssertionError("writes have stopped for good")
            await asyncio.sleep(0.01)

    async def _break(self, fault: str) -> None:
        """Do one fault, to one machine after the other, and start again what does not start by itself."""
        machine = self._machines[self._faults[fault] % len(self._machines)]
        if fault == _WORKER:
            machine.kill_worker()
        elif fault == _BACKGROUND:
            machine.kill_background()
        elif fault == _SUPERVISOR:
            await machine.kill_supervisor()
            await machine.start()
        elif fault == _CLOCK:
            await self._set_clock_back()
        else:
            await self._lab.cluster.stop("immediate")
            await self._lab.cluster.start()

    async def _set_clock_back(self) -> None:
        """Set it back an hour, and forth again when what was written meanwhile has come: nothing waits an hour."""
        owners = [account.id for account in self._wished]
        held = await clock.set_back(self._lab.cluster, owners)
        waiting = [task for task, is_waiting in held.items() if is_waiting]
        await self._more_written(_WRITES_BETWEEN)
        came = await self._all_came(_RECOVERY_SECONDS, up_to=self._reached())
        self.outcome.require(came, "the clock was set back, and events do not come any more")
        fired = await self._lab.cluster.query(_FIRED, [waiting])
        self.outcome.require(not fired, f"the clock was set back, and {len(fired)} reminders have fired early")
        self._put_off += len(waiting)
        await clock.set_forth(self._lab.cluster, owners, list(held))

    async def _delete_a_hook(self) -> None:
        """Delete a hook while events are on their way to it."""
        alive = [hook for hook in self._ears.hooks.values() if hook.deleted_at is None]
        owners = {hook.owner for hook in self._ears.hooks.values() if hook.deleted_at is not None}
        hook = random.choice([hook for hook in alive if hook.owner not in owners])
        account = next(account for account in self._wished if account.id == hook.owner)
        client = Client(self._any().port, account.token)
        await self._insist(client, "DELETE", f"/v1/webhooks/{hook.id}")
        hook.deleted_at = time.time()
        client.close()

    def _reached(self) -> dict[str, int]:
        """Return how many tasks each account has: so many events must come, at least."""
        return {account.id: len(wished.tasks) for account, wished in self._wished.items()}

    async def _all_came(self, seconds: float, *, up_to: dict[str, int]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            alive = [hook for hook in self._ears.hooks.values() if hook.deleted_at is None]
            if all(len(hook.taken) >= up_to[hook.owner] for hook in alive):
                return True
            await asyncio.sleep(0.1)
        return False

    async def drain(self) -> None:
        """Wait until reminders have fired and everything has come, for as long as it may take."""
        self._lab.say("waiting for what is on its way")
        last = max((due for wished in self._wished.values() for due in wished.reminders.values()), default=0.0)
        await asyncio.sleep(max(0.0, last - time.time()) + 3)
        logs = {account.id: len(await self._lab.cluster.query(_LOG, [account.id])) for account in self._wished}
        await self._all_came(_DRAIN_SECONDS, up_to=logs)

    async def audit(self) -> None:
        hooks, events, fired = list(self._ears.hooks.values()), 0, 0
        for account, wished in self._wished.items():
            rows = await self._lab.cluster.query(_LOG, [account.id])
            log = [Event(number, kind, entity) for number, kind, entity, _ in rows]
            events += len(log)
            for hook in hooks:
                if hook.owner == account.id:
                    self.outcome.failures += hook.audit(log)
            created = {event.entity for event in log if event.type == "task.created"}
            self.outcome.require(wished.tasks <= created, f"{len(wished.tasks - created)} acknowledged tasks are lost")
            told = [(entity, at) for _, kind, entity, at in rows if kind == "task.reminder"]
            fired += self._audit_reminders(wished, told)
            self.outcome.failures += early(self._heard(account), wished.reminders)
        fired_by = [machine.count_in_log('"event":"reminders"') for machine in self._machines]
        self.outcome.require(all(fired_by), f"one background process has fired no reminder: {fired_by}")
        arrivals = [arrival for hook in hooks for arrival in hook.arrivals]
        self.outcome.counts = {
            "faults": self._faults.total(),
            "events": events,
            "deliveries": len(arrivals),
            "of these came again": len(arrivals) - sum(len({one.id for one in hook.arrivals}) for hook in hooks),
            "hooks deleted on the way": sum(hook.deleted_at is not None for hook in hooks),
            "reminders fired": fired,
            "reminders that the clock put off": self._put_off,
            "times that either machine fired some": " and ".join(map(str, fired_by)),
            "missed, forged, late, early or doubled": len(self.outcome.failures),
        }

    def _heard(self, account: Account) -> list[Arrival]:
        hooks = [hook for hook in self._ears.hooks.values() if hook.owner == account.id]
        return [arrival for hook in hooks for arrival in hook.arrivals]

    def _audit_reminders(self, wished: _Wished, fired: list[tuple[str, float]]) -> int:
        """Hold what was asked for against what has fired; return how many have."""
        moments: dict[str, list[float]] = {}
        for entity, at in fired:
            moments.setdefault(entity, []).append(at)
        for task, due in wished.reminders.items():
            times = moments.get(task, [])
            self.outcome.require(len(times) == 1, f"the reminder of {task} has fired {len(times)} times")
            self.outcome.require(all(at >= due - 0.001 for at in times), f"the reminder of {task} has fired early")
        return len(fired)
