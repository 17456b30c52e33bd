"""Send events to a hook, one after the other: each signed, and each only while it may still be sent."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from tasks import webhook_secrets
from tasks.queries.webhook_events import Event, Target
from tasks.queries.webhook_outcomes import Outcome
from tasks.webhooks.posting import Client
from todoproject.background.runner import is_ending
from todoproject.observability import metrics

logger = logging.getLogger("todoproject.background")

# What was read is sent for so long; then it is read again, as it is by then.
FRESH_SECONDS = 1.0

K = TypeVar("K")


class Sent(NamedTuple):
    """How far some events have come: those that were delivered, and one that was not, after which none was sent."""

    done: list[tuple[Event, Outcome]]
    failed: tuple[Event, Outcome] | None


class Together(Generic[K]):
    """Ask for one key what is asked for many at once: whoever asks while a question is under way shares the next."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[set[K]]]) -> None:
        self._ask = ask
        self._waiting: dict[K, asyncio.Future[bool]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def holds(self, key: K) -> bool:
        """Tell whether a key is among the answers to a question that is asked from now on."""
        future = self._waiting.setdefault(key, asyncio.get_running_loop().create_future())
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        return await asyncio.shield(future)

    async def _ask_all(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                found = await self._ask(list(waiting))
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is theirs who wait
                for future in waiting.values():
                    future.set_exception(error)
            else:
                for key, future in waiting.items():
                    future.set_result(key in found)


async def send_all(
    hook: UUID,
    due: Sequence[tuple[Target, Event]],
    client: Client,
    may_still: Callable[[int], Awaitable[bool]],
) -> Sent:
    """Send events that have just been read until one fails, or may not be sent any more; `may_still` is told which."""
    read, done = time.monotonic(), list[tuple[Event, Outcome]]()
    for place, (target, event) in enumerate(due):
        if place and (is_ending() or time.monotonic() - read > FRESH_SECONDS or not await may_still(place)):
            break
        outcome = await send(hook, target, event, client)
        if not outcome.is_delivered:
            return Sent(done, (event, outcome))
        done.append((event, outcome))
    return Sent(done, None)


async def send(hook: UUID, target: Target, event: Event, client: Client) -> Outcome:
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
    return _counted(hook, event, await _posted(client, target.url, headers, content))


async def _posted(client: Client, url: str, headers: Mapping[str, str], content: bytes) -> Outcome:
    """Post it. A defect of ours is a try that has failed: uncounted, the event would block its hook for ever."""
    try:
        return await client.post(url, headers, content)
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
