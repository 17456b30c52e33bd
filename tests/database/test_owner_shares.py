"""One owner's writes hold so many connections and no more: in order, and whoever leaves costs nobody a share."""

import asyncio

import pytest

from todoproject.database.client import owner_shares
from todoproject.database.client.owner_shares import OwnerShares
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import DatabaseUnavailable

ALICE, BOB = "alice", "bob"


def shares_of(*known: tuple[bytes, str], patience: float = 5) -> OwnerShares:
    shares = OwnerShares(2, lambda: patience)
    for digest, user in known:
        shares.learn(Credentials(digest, user))
    return shares


async def taken(shares: OwnerShares, *digests: bytes) -> list["asyncio.Task[str]"]:
    tasks = [asyncio.create_task(shares.take(Credentials(digest))) for digest in digests]
    await asyncio.sleep(0)
    return tasks


async def test_tokens_of_one_owner_have_one_share_and_others_their_own() -> None:
    shares = shares_of((b"a", ALICE), (b"b", ALICE), (b"c", BOB))

    tasks = await taken(shares, b"a", b"b", b"a", b"b", b"c", b"c")

    assert [task.done() for task in tasks] == [True, True, False, False, True, True]
    assert shares.waiting == 2
    shares.give_back(BOB)
    await asyncio.sleep(0)
    assert not tasks[2].done()
    shares.give_back(ALICE)
    await asyncio.sleep(0)
    assert [task.done() for task in tasks[2:4]] == [True, False]
    shares.give_back(ALICE)
    await asyncio.gather(*tasks)
    assert shares.waiting == 0


async def test_tokens_that_nobody_knows_yet_have_one_share_together() -> None:
    shares = shares_of((b"c", BOB))

    *unknown, known = await taken(shares, b"1", b"2", b"3", b"c")

    assert [task.done() for task in unknown] == [True, True, False]
    assert known.done()
    unknown[2].cancel()


async def test_a_share_given_to_somebody_who_has_just_left_is_handed_on() -> None:
    shares = shares_of((b"a", ALICE))
    *_, leaving, next_one = await taken(shares, b"a", b"a", b"a", b"a")

    shares.give_back(ALICE)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert await asyncio.wait_for(next_one, 1) == ALICE
    shares.give_back(ALICE)
    shares.give_back(ALICE)
    assert (shares.waiting, shares._held) == (0, {})


async def test_a_wait_ends_as_one_for_a_connection_does() -> None:
    shares = shares_of((b"a", ALICE), patience=0.05)
    *_, late = await taken(shares, b"a", b"a", b"a")

    with pytest.raises(DatabaseUnavailable, match="same owner"):
        await late
    assert shares.waiting == 0


async def test_what_was_waited_for_a_share_is_not_waited_for_again() -> None:
    shares = shares_of((b"a", ALICE))
    await taken(shares, b"a", b"a")
    asyncio.get_running_loop().call_later(0.05, shares.give_back, ALICE)

    async with shares.of(Credentials(b"a", ALICE)):
        assert owner_shares.waited.get() > 0.04
    assert owner_shares.waited.get() == 0


async def test_tokens_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_shares, "_REMEMBERED", 3)
    shares = shares_of(*((str(number).encode(), ALICE) for number in range(10)))

    assert list(shares._owners) == [b"7", b"8", b"9"]
