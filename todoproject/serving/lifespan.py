"""What happens when a worker starts and stops."""

import asyncio
import gc
import logging
from functools import partial
from typing import Any

from django.conf import settings

from tasks.background import JOBS
from tasks.live.streams import streams
from todoproject.background.runner import Runner
from todoproject.database.client.pool import pool
from todoproject.database.client.replica import replica
from todoproject.database.engine import base as postgres
from todoproject.http import activity
from todoproject.http import streams as event_streams
from todoproject.mail.outbox import outbox
from todoproject.monitoring import sampler
from todoproject.observability import metrics, telemetry
from todoproject.serving import admission, startup
from todoproject.version import VERSION

logger = logging.getLogger("todoproject")


async def run(receive: Any, send: Any) -> None:
    """Answer the server's lifespan messages: open the pool at start, close it at the end."""
    await receive()
    try:
        if not startup.is_done:
            await asyncio.to_thread(startup.prepare_database)
        await pool.open()
        await replica.open()
        postgres.open_pool()
    except startup.StartFailed as error:
        await send({"type": "lifespan.startup.failed", "message": f"todoproject: {error}"})
        return
    sampling = sampler.start()
    activity.listeners.append(partial(wake_streams, asyncio.get_running_loop()))
    event_streams.beginnings.append(admission.exempt)
    background = _start_background() if startup.runs_background else None
    # What is there now stays until the end: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    logger.info("started", extra={"version": VERSION})
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if background is not None:
        await background.drain()
    await outbox.drain()
    sampling.cancel()
    await replica.close()
    await pool.close()
    await asyncio.to_thread(postgres.close_pool)
    await asyncio.to_thread(telemetry.stop)
    logger.info("stopped")
    await send({"type": "lifespan.shutdown.complete"})


def wake_streams(loop: asyncio.AbstractEventLoop, wrote: bool, owner: str | None) -> None:
    """Let the streams of whoever has written in this process look, at once; in whatever thread that was."""
    if wrote and owner is not None and streams.count:
        loop.call_soon_threadsafe(streams.wake, [owner])


def _start_background() -> Runner:
    """Do the jobs in this process, which has no other beside it."""
    loop = asyncio.get_running_loop()
    runner = Runner(JOBS, poll_seconds=settings.BACKGROUND_POLL_SECONDS)

    def note(wrote: bool, owner: str | None) -> None:
        if runner.is_news(wrote):
            loop.call_soon_threadsafe(runner.note_request, wrote)

    activity.listeners.append(note)
    metrics.store.put("background", 1)
    runner.start()
    return runner
