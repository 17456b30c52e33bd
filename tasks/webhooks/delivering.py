"""Deliver what is due: hooks beside each other, the events of one hook one after the other.

A hook that hangs holds its own place and no other's: claiming goes on while requests are under way, and an account has
a few places only. What was cut off between sending and noting is sent again.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from uuid import UUID

from tasks import webhook_secrets
from tasks.queries import webhook_events as events
from tasks.queries import webhook_outcomes as outcomes
from tasks.queries.webhook_events import Event, Lease, Queued, Target
from tasks.queries.webhook_outcomes import Outcome
from tasks.webhooks import posting
from todoproject.background.runner import is_ending
from todoproject.database.errors import DatabaseError, one_line
from todoproject.observability import metrics

logger = logging.getLogger("todoproject.background")

MOST = 256  # requests under way: each is a socket, and waits for nearly all of its time
# While requests are under way: how often it is looked for others.
LOOK_SECONDS = 0.5
# After so long a hook with more to tell goes to the end of the queue.
TURN_SECONDS = 5.0


class Deliveries:
    """What one process is delivering."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], UUID] = {}  # whose it is

    async def run(self) -> float | None:
        """Deliver until nothing is due; return in how many seconds there is more, None where nothing is known of."""
        try:
            return await self._run()
        finally:
            for task in self._running:  # cut off: what they had is sent again
                task.cancel()
            self._running.clear()

    async def _run(self) -> float | None:
        if (seconds := await _next_due()) is None or seconds > 0:
            return seconds
        while True:
            if not is_ending():
                await self._claim()
            if not self._running:
                seconds = await _next_due()
                # What is due and was not to be had is another process's.
                return None if seconds is None else max(seconds, LOOK_SECONDS if seconds <= 0 else 0.0)
            await asyncio.wait(self._running, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._running if task.done()]:
                del self._running[task]

    async def _claim(self) -> None:
        if (room := MOST - len(self._running)) > 0:
            for queued in await events.claim_queued(room, self._running.values()):
                self._begin(queued.user, _deliver_queued(queued))
        if (room := MOST - len(self._running)) > 0:
            for lease in await events.claim(room, self._running.values()):
                self._begin(lease.user, _follow(lease))

    def _begin(self, owner: UUID, work: Coroutine[None, None, None]) -> None:
        self._running[asyncio.create_task(_guarded(work))] = owner


async def _next_due() -> float | None:
    seconds = await events.next_due()
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


async def _follow(lease: Lease) -> None:
    """Send the events of a hook in their order, until there is none, one fails, or others have waited."""
    began = time.monotonic()
    while not is_ending() and time.monotonic() - began < TURN_SECONDS:
        step = await events.step(lease)
        if step is None:
            return
        if step.event is None:
            await outcomes.pass_over(lease, step.reached, ends=not step.has_more)
            if not step.has_more:
                return
            continue
        outcome = await send(lease.hook, step.target, step.event)
        if not await outcomes.note(lease, step.event, outcome):
            return
    await outcomes.pass_over(lease, 0, ends=True)


async def _deliver_queued(queued: Queued) -> None:
    found = await events.queued(queued)
    if found is None:
        return
    target, event = found
    if event is None:
        await outcomes.give_up(queued, "purged")
        return
    await outcomes.note_queued(queued, target.url, event, await send(queued.hook, target, event))


async def send(hook: UUID, target: Target, event: Event) -> Outcome:
    """Send an event to a hook, signed with all of its secrets."""
    keys = [key for sealed in target.secrets if (key := webhook_secrets.unseal(sealed)) is not None]
    if not keys:
        return _counted(hook, event, Outcome(None, "secret", 0))
    message = webhook_secrets.message_id(hook, event.change_no or event.delivery)
    content, now = body(event), int(time.time())
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(now),
        "webhook-signature": webhook_secrets.signature(keys, message, now, content),
    }
    return _counted(hook, event, await _posted(target.url, headers, content))


async def _posted(url: str, headers: Mapping[str, str], content: bytes) -> Outcome:
    """Post it. A defect of ours is a try that has failed: uncounted, the event would block its hook for ever."""
    try:
        return await posting.post(url, headers, content)
    except Exception as error:
        logger.error("unhandled error at a webhook", exc_info=error)
        return Outcome(None, "internal", 0)


def body(event: Event) -> bytes:
    """Return what is sent (Standard Webhooks, "Payload structure")."""
    head = b'{"type":"%b","timestamp":"%b","data":' % (event.type.encode(), event.at.encode())
    if event.change_no is None:
        return head + b"{}}"
    changed = b",".join(b'"%b"' % member.encode() for member in event.changed)
    data = (event.change_no, (event.id or "").encode(), event.kind.encode(), event.document, changed)
    return head + b'{"change_no":%d,"id":"%b","%b":%b,"changed":[%b]}}' % data


def _counted(hook: UUID, event: Event, outcome: Outcome) -> Outcome:
    """Count a try, and log one that has failed: never where it went, nor what was sent."""
    metrics.count("webhook", "delivered" if outcome.is_delivered else "failed")
    if not outcome.is_delivered:
        why = outcome.error or f"status {outcome.status}"
        logger.info("webhook failed", extra={"webhook": str(hook), "tries": event.tries + 1, "reason": why})
    return outcome
