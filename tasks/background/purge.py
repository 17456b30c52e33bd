"""Remove once a day what has outlived its time, as `manage.py purge` does."""

import asyncio
import io
import logging

from django.core.management import call_command
from django.db import connections

from tasks.queries import background_jobs
from todoproject.background.runner import Job

logger = logging.getLogger("todoproject.background")

NAME = "purge"
EVERY_SECONDS = 24 * 3600
_AGAIN_SECONDS = 60.0


async def purge() -> float | None:
    """Purge if that is due and nobody else does; return in how many seconds it is due next."""
    if await background_jobs.next_due(NAME, EVERY_SECONDS) <= 0 and await background_jobs.claim(NAME, EVERY_SECONDS):
        logger.info("purged", extra={"removed": await asyncio.to_thread(_purge)})
    return max(await background_jobs.next_due(NAME, EVERY_SECONDS), _AGAIN_SECONDS)


JOBS = (Job(NAME, purge),)


def _purge() -> str:
    """Run the command, which notes when it has ended, and stops between two batches when the process does."""
    told = io.StringIO()
    try:
        call_command("purge", json=True, stdout=told)
    finally:
        connections.close_all()
    return told.getvalue().strip()
