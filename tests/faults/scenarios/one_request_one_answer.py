"""Send requests that try to be two, directly and through Debian's proxies, beside people who ask for themselves."""

import asyncio
import shutil
from contextlib import nullcontext

from tests.faults.application import Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome
from tests.proxies import COMMANDS, proxy
from tests.support.desync import Tally, attack

LETTER = "h"
CLAIM = "One request is one answer: however it is framed and cut, nobody gets the answer of somebody else"

_ROUNDS = {False: 2_500, True: 40}  # each way; 10,000 in all
_VICTIMS = 3


async def run(lab: Lab) -> Outcome:
    application = await lab.application()
    people = dict([await _person(application) for _ in range(_VICTIMS)])
    outcome = Outcome()
    tallies: list[Tally] = []
    for name in ("", *COMMANDS):
        if name and shutil.which(COMMANDS[name][1][0]) is None:
            outcome.counts[name] = "not installed"
            continue
        lab.say(f"through {name or 'no proxy'}")
        with proxy(name, application.port) if name else nullcontext(application.port) as port:
            tallies.append(await asyncio.to_thread(attack, port, people, _ROUNDS[lab.is_short]))
    outcome.failures = [wrong for tally in tallies for wrong in tally.wrong]
    outcome.counts |= {
        "attacks": sum(tally.attacks for tally in tallies),
        "answers beside them": sum(tally.answers for tally in tallies),
        "answers at the wrong asker": len(outcome.failures),
    }
    return outcome


async def _person(application: Application) -> tuple[str, str]:
    """Return somebody's token, and what they are told about themselves."""
    account = await application.register()
    client = Client(application.port, account.token)
    answer = await client.ask("GET", "/v1/me")
    client.close()
    return account.token, answer.body.decode()
