"""Deliver what is due: hooks beside each other, the events of one hook one after the other.

A hook that hangs holds its own place and no other's: claiming goes on while requests are under way, an account has a
few places only, and hooks in trouble have places of their own. What was cut off between sending and noting is sent
again.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import NamedTuple
from uuid import UUID

from tasks.queries import webhook_claims as claims
from tasks.queries import webhook_events as events
from tasks.queries import webhook_outcomes as outcomes
from tasks.queries.webhook_claims import Lease, Queued, Room
from tasks.queries.webhook_events import Batch, Event, Target
from tasks.webhooks.posting import Client, Clients
from tasks.webhooks.sending import Sent, Together, send_all
from todoproject.background.runner import is_ending
from todoproject.database.errors import DatabaseError, one_line
from todoproject.observability import metrics

logger = logging.getLogger("todoproject.background")

MOST = 512  # hooks that are delivered to: each is a socket, and waits for nearly all of its time
# Of these, hooks whose last request has failed, or took long: each may hold its place for ten seconds.
MOST_TROUBLED = 128
LONG_SECONDS = 1.0
# So many are remembered to have taken long; the others are found out anew.
_MOST_SLOW = 2000
# While requests are under way: how often it is looked for others, at least and at most.
LOOK_SECONDS = 0.5
LEAST_SECONDS = 0.05
# After so long a hook with more to tell goes to the end of the queue.
TURN_SECONDS = 5.0


class _Place(NamedTuple):
    """Whose hook is being delivered to."""

    owner: UUID
    is_troubled: bool


class Deliveries:
    """What one process is delivering."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], _Place] = {}
        self._slow: dict[UUID, None] = {}  # hooks whose last request took long, the latest last
        self._clients = Clients()
        self._held, self._waiting = Together(claims.held), Together(claims.waiting)

    async def run(self) -> float | None:
        """Deliver until nothing is due; return in how many seconds there is more, None where nothing is known of."""
        self._clients = Clients()
        try:
            return await self._run()
        finally:
            for task in self._running:  # cut off: what they had is sent again
                task.cancel()
            self._running.clear()
            self._clients.close()

    async def _run(self) -> float | None:
        if (seconds := await _next_due()) is None or seconds > 0:
            return seconds
        while True:
            looked = time.monotonic()
            if not is_ending():
                await self._claim()
            if not self._running:
                seconds = await _next_due()
                # What is due and was not to be had is another process's.
                return None if seconds is None else max(seconds, LOOK_SECONDS if seconds <= 0 else 0.0)
            await asyncio.wait(self._running, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(looked + LEAST_SECONDS - time.monotonic())
            for task in [task for task in self._running if task.done()]:
                del self._running[task]
            self._clients.let_go()

    async def _claim(self) -> None:
        if (room := self._room()).most > 0:
            for queued in await claims.claim_queued(room):
                self._begin(self._deliver_queued(queued), _Place(queued[0].user, queued[0].is_troubled))
        if (room := self._room()).most > 0:
            for lease in await claims.claim(room):
                self._begin(self._follow(lease), _Place(lease.user, lease.is_troubled))

    def _room(self) -> Room:
        places = self._running.values()
        troubled = sum(place.is_troubled for place in places)
        return Room(MOST - len(places), MOST_TROUBLED - troubled, [place.owner for place in places], self._slow)

    def _begin(self, work: Coroutine[None, None, None], place: "_Place") -> None:
        self._running[asyncio.create_task(_guarded(work))] = place

    async def _follow(self, lease: Lease) -> None:
        """Send the events of a hook in their order, until there is none, one fails, or others have waited."""
        began = time.monotonic()
        with self._clients.lend(lease.hook) as client:
            while not is_ending() and time.monotonic() - began < TURN_SECONDS:
                batch = await events.next_events(lease)
                if batch is None or not await self._send_in_order(lease, batch, client):
                    return
        await outcomes.pass_over(lease, 0, ends=True)

    async def _send_in_order(self, lease: Lease, batch: Batch, client: Client) -> bool:
        """Send events until one fails, and note what became of them; tell whether the hook goes on."""
        if not batch.events:
            await outcomes.pass_over(lease, batch.reached, ends=not batch.has_more)
            return batch.has_more
        due = [(batch.target, event) for event in batch.events]
        sent = await send_all(lease.hook, due, client, lambda _: self._held.holds(lease))
        self._note_pace(lease.hook, sent)
        is_whole = len(sent.done) == len(batch.events)
        ends, is_ours = is_whole and not batch.has_more, True
        if sent.done:
            is_ours = await outcomes.note_delivered(lease, sent.done, batch.reached if is_whole else 0, ends=ends)
        if sent.failed is not None and is_ours:
            return await outcomes.note(lease, *sent.failed)
        return is_ours and not ends

    async def _deliver_queued(self, queued: Sequence[Queued]) -> None:
        """Send deliveries of one hook that go by themselves until one fails; the others are put back."""
        hook, found = queued[0].hook, await events.queued(queued)
        due: list[tuple[Queued, Target, Event]] = []
        for leased in queued:
            target, event = found.get(leased.id, (None, None))
            if target is not None and event is not None:
                due.append((leased, target, event))
            elif target is not None:
                await outcomes.give_up(leased, "purged")
        if not due:
            return

        async def may_still(place: int) -> bool:
            leased, target, _ = due[place]
            return await self._waiting.holds((leased, target.url))

        with self._clients.lend(hook) as client:
            sent = await send_all(hook, [(target, event) for _, target, event in due], client, may_still)
        self._note_pace(hook, sent)
        await _note_queued(due, sent)

    def _note_pace(self, hook: UUID, sent: Sent) -> None:
        """Remember which hooks take long: the database knows only which fail."""
        tried = [outcome for _, outcome in (*sent.done, *([sent.failed] if sent.failed else []))]
        self._slow.pop(hook, None)
        if any(outcome.milliseconds > LONG_SECONDS * 1000 for outcome in tried):
            self._slow[hook] = None
            if len(self._slow) > _MOST_SLOW:
                self._slow.pop(next(iter(self._slow)))


async def _note_queued(due: Sequence[tuple[Queued, Target, Event]], sent: Sent) -> None:
    leased, target, _ = due[0]
    if sent.done:
        await outcomes.note_queued_delivered(leased, target.url, sent.done)
    left = len(sent.done)
    if sent.failed is not None:
        leased, target, _ = due[left]
        await outcomes.note_queued(leased, target.url, *sent.failed)
        left += 1
    if left < len(due):
        await outcomes.put_back([leased for leased, _, _ in due[left:]])


async def _next_due() -> float | None:
    seconds = await claims.next_due()
    metrics.store.put("webhook_overdue", max(0.0, -(seconds or 0.0)))
    return seconds


async def _guarded(work: Coroutine[None, None, None]) -> None:
    """Do it, and let nothing of it reach the others; its lease ends by itself."""
    try:
        await work
    except DatabaseError as error:
        logger.warning("a webhook was not delivered to: the database", extra={"reason": one_line(error)})
    except Exception as error:
        logger.error("unhandled error at a webhook", exc_info=error)
