"""Let the compute fall asleep under idle connections, and let eight clients come at once."""

import asyncio
import time

from tests.faults.application import Account, Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome

LETTER = "b"
CLAIM = "After a sleep everybody is answered, without an error, within 2 s of the wake"

_CLIENTS = 8
_WITHIN_SECONDS = 2.0
# How the connections end, how long waking takes, and how many tries to connect fail before, with Neon's words.
_NIGHTS = [
    ("57P01", True, 0.3, 0),
    ("bare end of TLS", False, 0.3, 0),
    ("wake fails twice", True, 0.3, 2),
    ("wake takes 5 s", False, 5.0, 0),
]
_ROUNDS = 5


async def run(lab: Lab) -> Outcome:
    outcome, application = Outcome({"sleeps": 0, "answers": 0}), await lab.application()
    account = await application.register()
    slowest = dict.fromkeys((name for name, *_ in _NIGHTS), 0.0)
    for _ in range(1 if lab.is_short else _ROUNDS):
        for name, with_farewell, wake_seconds, failing_wakes in _NIGHTS:
            lab.say(name)
            lab.proxy.wake_seconds, lab.proxy.failing_wakes = wake_seconds, failing_wakes
            seconds = await _night(lab, application, account, with_farewell, outcome)
            slowest[name] = max(slowest[name], round(seconds, 2))
            outcome.require(seconds <= _WITHIN_SECONDS, f"{name}: the last answer came {seconds:.2f} s after the wake")
    outcome.counts |= {name: f"{seconds} s after the wake, at the latest" for name, seconds in slowest.items()}
    return outcome


async def _night(lab: Lab, application: Application, account: Account, with_farewell: bool, outcome: Outcome) -> float:
    """Sleep once, and return how long after the wake the last client was answered."""
    clients = [Client(application.port, account.token) for _ in range(_CLIENTS)]
    evening = await asyncio.gather(*(client.ask("GET", "/v1/tasks") for client in clients))  # the pools are full
    outcome.require({answer.status for answer in evening} == {200}, "not everybody was answered well before the sleep")
    lab.proxy.sleep(with_farewell=with_farewell)
    slept_at = time.monotonic()
    answers = await asyncio.gather(*(_ask(client, number, outcome) for number, client in enumerate(clients)))
    for client in clients:
        client.close()
    outcome.require(lab.proxy.woken_at - slept_at >= lab.proxy.wake_seconds, "the compute was not asleep")
    outcome.counts["sleeps"] = int(outcome.counts["sleeps"]) + 1
    outcome.counts["answers"] = int(outcome.counts["answers"]) + len(answers)
    return max(answers) - lab.proxy.woken_at


async def _ask(client: Client, number: int, outcome: Outcome) -> float:
    """Read or write, without another try, and return when the answer came."""
    if number % 2:
        answer = await client.ask("POST", "/v1/tasks", {"title": "Good morning"})
    else:
        answer = await client.ask("GET", "/v1/tasks")
    outcome.require(answer.status in (200, 201), f"answered {answer.status} after a sleep")
    return time.monotonic()
