"""What nobody counts as it happens: how the pool stands, memory and processor time; looked at once a second."""

import asyncio
import logging
import os
import resource
import sys

from django.conf import settings

from todoproject.database.client.pool import pool
from todoproject.observability import metrics
from todoproject.observability.metrics import store

logger = logging.getLogger("todoproject")

# Far below any interval of scraping. Nothing is asked of the database, which may go to sleep meanwhile.
_INTERVAL_SECONDS = 1


def start() -> "asyncio.Task[None]":
    """Let this worker count together with the others of its server, and begin to look at it."""
    if settings.METRICS_FOLDER is not None:
        store.share(settings.METRICS_FOLDER)
    elif settings.METRICS_TOKEN and not store.is_shared:
        logger.warning("metrics are of this worker alone: start with `manage.py runserver`, or set METRICS_FOLDER")
    if settings.METRICS_FOLDER is None and not store.is_shared and settings.METRICS_ADDRESS:
        logger.warning("nobody listens on METRICS_ADDRESS: only `manage.py runserver` does")
    metrics.count("start")
    return asyncio.create_task(_look())


async def _look() -> None:
    if not (settings.METRICS_ADDRESS or settings.METRICS_TOKEN):
        return  # nobody can see it
    store.put("workers", 1)
    cpu = 0.0
    while True:
        before, cpu = cpu, sum(os.times()[:2])
        store.add(("cpu",), cpu - before)
        store.put("memory", _memory())
        _look_at_pool()
        await asyncio.sleep(_INTERVAL_SECONDS)


def _look_at_pool() -> None:
    for name, number in pool.standing().items():
        store.put(name, number)


def _memory() -> int:
    """Return the resident memory in bytes; without /proc, the most there ever was."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
