"""Positions: between any two there is another, and adding at the ends makes them no longer."""

import random

import psycopg
import pytest
from fractional_indexing import generate_key_between
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.postgres.databases import connect


def between(session: "psycopg.Connection[tuple[object, ...]]", low: str | None, high: str | None) -> str:
    row = session.execute("SELECT position_between(%s, %s)", [low, high]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(
    ("low", "high", "key"),
    # What the reference implementation in JavaScript (rocicorp/fractional-indexing) gives, at both ends, too.
    [
        *((None, None, "a0"), (None, "a0", "Zz"), (None, "Zz", "Zy"), ("a0", None, "a1"), ("a1", None, "a2")),
        *(("a0", "a1", "a0V"), ("a1", "a2", "a1V"), ("a0V", "a1", "a0l"), ("Zz", "a0", "ZzV"), ("Zz", "a1", "a0")),
        *((None, "Y00", "Xzzz"), ("bzz", None, "c000"), ("a0", "a0V", "a0G"), ("a0", "a0G", "a08")),
        *(
            ("b125", "b129", "b127"),
            ("a0", "a1V", "a1"),
            ("Zz", "a01", "a0"),
            (None, "a0V", "a0"),
            (None, "b999", "b99"),
        ),
        ("zzzzzzzzzzzzzzzzzzzzzzzzzzy", None, "zzzzzzzzzzzzzzzzzzzzzzzzzzz"),
        ("zzzzzzzzzzzzzzzzzzzzzzzzzzz", None, "zzzzzzzzzzzzzzzzzzzzzzzzzzzV"),
        (None, "A" + 25 * "0" + "1", "A" + 26 * "0" + "V"),
        (None, "A" + 26 * "0" + "V", "A" + 26 * "0" + "G"),
    ],
)
def test_keys_are_those_of_the_reference(database: None, low: str | None, high: str | None, key: str) -> None:
    with connect() as session:
        assert between(session, low, high) == key


@pytest.mark.parametrize("pair", [("a1", "a0"), ("a0", "a0")])
def test_there_is_nothing_between_what_is_not_in_order(database: None, pair: tuple[str, str]) -> None:
    with connect() as session, pytest.raises(psycopg.errors.DataException):
        between(session, *pair)


# What stands first: nothing, or a key just before its whole part becomes a digit longer or shorter.
BEGINNINGS = st.sampled_from([None, "az", "bzz", "czzz", "a0", "Z0", "Y00", "Zz", "b00"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=BEGINNINGS, places=st.lists(st.integers(0, 1000), min_size=20, max_size=60))
def test_any_order_of_insertions_gives_the_keys_of_the_package(
    database: None, first: str | None, places: list[int]
) -> None:
    with connect() as session:
        keys = [] if first is None else [first]
        for place in places:
            at = place % (len(keys) + 1)
            low, high = (keys[at - 1] if at else None), (keys[at] if at < len(keys) else None)
            key = between(session, low, high)
            assert key == generate_key_between(low, high), (low, high)
            keys.insert(at, key)
            assert keys == sorted(set(keys))
        assert all(key.isascii() and key.isalnum() for key in keys)


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_thousand_at_one_place_have_the_keys_of_the_package(database: None, side: str) -> None:
    with connect() as session:
        low, high = "a0", "a1"
        for _ in range(1000):
            key = between(session, low, high)
            assert key == generate_key_between(low, high)
            low, high = (key, high) if side == "low" else (low, key)


def test_appending_keeps_keys_short(database: None) -> None:
    with connect() as session:
        row = session.execute(
            "SELECT position_between(position_at(n), NULL), position_at(n + 1) FROM unnest(%s::bigint[]) n",
            [[0, 60, 61, 62, 3904, 3905, 3906, 242233, 242234, 20_000_000, *random.sample(range(10**7), 20)]],
        ).fetchall()
        assert [found for found, _ in row] == [expected for _, expected in row]
        assert max(len(str(key)) for key, _ in row) <= 6
