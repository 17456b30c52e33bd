"""The background process: the jobs in a process of their own, under a supervisor or alone."""

import asyncio
import logging
import signal
import socket
from contextlib import suppress
from functools import partial

from django.conf import settings

from todoproject.background import control as words
from todoproject.background.control import ASKED, BEAT, READY, WROTE
from todoproject.background.runner import Runner
from todoproject.database.client.pool import pool
from todoproject.http import activity
from todoproject.observability.metrics import store

logger = logging.getLogger("todoproject.background")

_BEAT_EVERY_SECONDS = 1.0


async def serve(runner: Runner, control: socket.socket | None = None) -> None:
    """Do the jobs until SIGTERM or SIGINT, or until the supervisor at the other end of `control` says so or is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runner.end)
    if settings.METRICS_FOLDER is not None:
        store.share(settings.METRICS_FOLDER)
    store.put("background", 1)
    await pool.open()
    beating = None
    if control is not None:
        control.setblocking(False)
        loop.add_reader(control, _obey, control, runner)
        activity.listeners.append(partial(_tell_of_change, control))
        beating = asyncio.create_task(_beat(control))
    logger.info("background process started")
    runner.start()
    await runner.ending.wait()
    await runner.drain()
    if beating is not None:
        beating.cancel()
    await pool.close()
    logger.info("background process stopped")


def _obey(control: socket.socket, runner: Runner) -> None:
    """Read what the supervisor says. Where it is gone, nobody would end us: so end."""
    said = b""
    with suppress(ConnectionError):
        said = control.recv(4096)
    if not said:
        asyncio.get_running_loop().remove_reader(control)
        runner.end()
    elif (WROTE in said or ASKED in said) and runner.is_news(WROTE in said):
        runner.note_request(WROTE in said)


def _tell_of_change(control: socket.socket, wrote: bool, owner: str | None) -> None:
    """Tell the workers, through the supervisor, whose streams have something to tell."""
    if wrote and owner is not None:
        with suppress(OSError):
            control.send(words.wrote([owner]))


async def _beat(control: socket.socket) -> None:
    word = READY
    while True:
        with suppress(OSError):  # gone, or not listening just now
            control.send(word)
        word = BEAT
        await asyncio.sleep(_BEAT_EVERY_SECONDS)
