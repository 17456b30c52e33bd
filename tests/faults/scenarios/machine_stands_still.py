"""Stop the supervisor, then the whole server, for longer than a worker may be silent; leave no room to count in."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.faults.application import Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome
from tests.support.http.load import Load

LETTER = "l"
CLAIM = "A machine that stands still, or has no room left in memory, costs no worker and no acknowledged write"

# A worker that says nothing for 30 s is killed; what nobody was there to hear must not count.
_PAUSE_SECONDS, _PAUSE_SECONDS_OF_THE_SHORT_FORM = 32.0, 3.0
_AFTERWARDS_SECONDS = 3.0  # in which a supervisor that counts wrong would kill
_SECONDS_WITHOUT_ROOM = 3.0


async def run(lab: Lab) -> Outcome:
    outcome = Outcome()
    application = await lab.application()
    for name, is_whole in {"supervisor not scheduled": False, "whole server not scheduled": True}.items():
        lab.say(name)
        outcome.counts[name] = await _pause(lab, application, outcome, is_whole=is_whole)
    lab.say("no room")
    outcome.counts["no room for metrics"] = await _without_room(lab, outcome)
    return outcome


async def _pause(lab: Lab, application: Application, outcome: Outcome, *, is_whole: bool) -> str:
    seconds = _PAUSE_SECONDS_OF_THE_SHORT_FORM if lab.is_short else _PAUSE_SECONDS
    workers, noticed = application.workers, application.count_in_log("the supervisor was not scheduled")
    account = await application.register()
    stopped = [application.supervisor, *(workers if is_whole else ())]
    async with Load(
        application.port, {"Authorization": f"Bearer {account.token}"}, clients=0 if is_whole else 8
    ) as load:
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        for process in reversed(stopped):
            os.kill(process, signal.SIGCONT)
        await asyncio.sleep(_AFTERWARDS_SECONDS)
    killed = len(set(workers) - set(application.workers))
    outcome.require(killed == 0, f"{killed} healthy workers are gone after a pause of {seconds} s")
    outcome.require(not load.failures, f"requests failed: {load.failures[:3]}")
    noticed = application.count_in_log("the supervisor was not scheduled") - noticed
    outcome.require(noticed, "the log says nothing of the pause")
    status = (await Client(application.port, account.token).ask("GET", "/v1/tasks")).status
    outcome.require(status == 200, f"afterwards a request is answered {status}")
    return f"{seconds:.0f} s, {killed} workers killed, {load.answers.total()} requests answered meanwhile"


async def _without_room(lab: Lab, outcome: Outcome) -> str:
    """Give the workers a folder in memory that is full, as /dev/shm of a container may be."""
    folder = lab.folder / "full"
    folder.mkdir()
    if not await asyncio.to_thread(_mount, folder):
        return "not played: nobody here may mount a file system"
    try:
        application = await lab.application(METRICS_FOLDER=str(folder))
        workers = application.workers
        account = await application.register()
        async with Load(application.port, {"Authorization": f"Bearer {account.token}"}) as load:
            await asyncio.sleep(_SECONDS_WITHOUT_ROOM)
        outcome.require(not load.failures, f"without room requests failed: {load.failures[:3]}")
        outcome.require(workers == application.workers, "without room a worker has ended")
        outcome.require(application.count_in_log("no room to count"), "the log says nothing of the room")
        rows = await lab.cluster.query("SELECT id::text FROM todo.tasks WHERE user_id = %s", [account.id])
        lost = set(load.written) - {row[0] for row in rows}
        outcome.require(not lost, f"without room {len(lost)} acknowledged writes are lost")
        await lab.end_application()
        return f"{load.answers.total():,} requests answered, {len(lost)} writes lost, 0 workers ended"
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", folder], check=True)
        shutil.rmtree(folder)


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
