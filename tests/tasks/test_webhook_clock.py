"""A clock that is set back stops no webhook: leases and waits from later than can be are over, and no others."""

import pytest

from tasks.queries import webhook_claims, webhook_outcomes
from tasks.queries.webhook_claims import Room
from tests.support.people import Person
from tests.support.receivers import OK, Receiver, status
from tests.tasks.test_webhook_deliveries import deliver, hook
from tests.tasks.test_webhooks import make, sql

__all__ = ["hook"]


def set_back(person: Person) -> None:
    """As if the clock had been an hour ahead until now."""
    sql(
        "UPDATE webhooks SET begun_at = begun_at + interval '1 hour', leased_until = leased_until + interval '1 hour',"
        " next_try_at = next_try_at + interval '1 hour' WHERE user_id = %s",
        person.id,
    )


def test_the_longest_wait_is_that_of_the_schedule() -> None:
    in_order = webhook_outcomes.SCHEDULE[: webhook_outcomes.TRIES_IN_ORDER - 1]
    assert max(in_order) == webhook_claims.LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("has_delivered", [False, True])
async def test_a_hook_goes_on_when_the_clock_was_set_back(alice: Person, hook: Receiver, has_delivered: bool) -> None:
    await make(alice, "task.*", url=hook.url)
    if has_delivered:
        await alice.task()
        await deliver()
    set_back(alice)
    await alice.task()

    seconds = await webhook_claims.next_due()
    assert seconds is not None
    assert seconds <= 0
    await deliver()
    assert hook.types == ["task.created"] * (1 + has_delivered)


async def test_what_has_failed_is_tried_again_when_the_clock_was_set_back(alice: Person, hook: Receiver) -> None:
    hook.answers = [status(500), OK]
    await make(alice, "task.*", url=hook.url)
    await alice.task()
    await deliver()
    assert len(hook.requests) == 1
    set_back(alice)

    await deliver()
    assert len(hook.requests) == 2


@pytest.mark.parametrize("column", ["leased_until", "next_try_at"])
async def test_a_lease_and_a_wait_that_can_be_are_kept(alice: Person, hook: Receiver, column: str) -> None:
    longest = {"leased_until": webhook_claims.LEASE_SECONDS, "next_try_at": webhook_claims.LONGEST_WAIT_SECONDS}
    await make(alice, "task.*", url=hook.url)
    await alice.task()
    sql(f"UPDATE webhooks SET {column} = now() + interval '{longest[column]} seconds' WHERE user_id = %s", alice.id)

    assert await webhook_claims.claim(Room(9, 9, [], [])) == []
    seconds = await webhook_claims.next_due()
    assert seconds is not None
    assert longest[column] - 10 < seconds <= longest[column]
