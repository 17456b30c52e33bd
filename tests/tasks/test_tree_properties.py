"""Any sequence of moves, completions, deletions and restorations keeps the tree a tree, and siblings in one order.

Through the database, because the rules are kept there for whoever writes; test_tree.py asks for them over HTTP.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.postgres.databases import connect

Connection = psycopg.Connection[tuple[Any, ...]]

_ACCOUNT = """
INSERT INTO users (id, email, password, timezone, is_staff, is_active, is_superuser)
VALUES (%s, %s, '!', 'UTC', false, true, false)
"""
_STATEMENTS = {
    "move": "UPDATE tasks SET parent_id = %(other)s, position = place_task(id, list_id, %(other)s, %(side)s, NULL)",
    "list": "UPDATE tasks SET list_id = %(list)s, parent_id = NULL,"
    " position = place_task(id, %(list)s, NULL, %(side)s, NULL)",
    "beside": "UPDATE tasks SET position = place_task(id, list_id, parent_id, %(side)s, %(other)s)",
    "under": "UPDATE tasks SET parent_id = %(other)s",
    "complete": "UPDATE tasks SET is_completed = true",
    "reopen": "UPDATE tasks SET is_completed = false",
    "delete": "UPDATE tasks SET deleted_at = clock_timestamp()",
    "restore": "UPDATE tasks SET deleted_at = NULL",
    "recur": "UPDATE tasks SET due_on = '2027-01-04', recurrence = '{\"rule\": \"FREQ=DAILY\"}'",
    "advance": "SELECT move_series(user_id, id, version, jsonb_build_object('due_on', due_on + 1, 'occurrence',"
    " to_char(due_on + 1, 'YYYY-MM-DD'), 'series', series), now(), gen_random_uuid()) FROM tasks",
}
_NEIGHBOURS = {"before": "beside", "after": "beside"}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(_STATEMENTS)),
        st.integers(0, 7),
        st.integers(0, 7) | st.none(),
        st.sampled_from(["first", "last", "before", "after"]),
        st.integers(0, 1) | st.none(),
    ),
    min_size=5,
    max_size=30,
)


@pytest.fixture
def session(database: None) -> Iterator[Connection]:
    with connect() as connection:
        yield connection
        connection.rollback()


def household(session: Connection) -> tuple[str, list[str], list[str]]:
    """Make an owner with eight tasks and two lists."""
    owner = str(uuid.uuid4())
    session.execute(_ACCOUNT, [owner, f"{owner}@example.com"])
    session.execute("SELECT set_config('app.user_id', %s, true)", [owner])
    lists, tasks = [str(uuid.uuid4()) for _ in range(2)], [str(uuid.uuid4()) for _ in range(8)]
    for table, column, ids in (("lists", "name", lists), ("tasks", "title", tasks)):
        for row in ids:
            session.execute(
                f"INSERT INTO {table} (key, id, user_id, {column}) VALUES (gen_random_uuid(), %s, %s, 'x')",
                [row, owner],
            )
    return owner, lists, tasks


def rows_of(session: Connection, owner: str) -> dict[uuid.UUID, Any]:
    found = session.execute(
        "SELECT id, parent_id, list_id, position, is_completed, completed_with, deleted_with FROM tasks"
        " WHERE user_id = %s AND deleted_at IS NULL",
        [owner],
    ).fetchall()
    return {row[0]: row[1:] for row in found}


def assert_is_a_tree(rows: dict[uuid.UUID, Any]) -> None:
    for task, (parent, in_list, *_, deleted_with) in rows.items():
        assert deleted_with is None
        assert parent is None or (parent in rows and rows[parent][1] == in_list), "under what is deleted, or elsewhere"
        above, levels = parent, 1
        while above is not None:
            assert above != task, "a circle"
            above, levels = rows[above][0], levels + 1
        assert levels <= 5
    places = [(parent, in_list, position) for parent, in_list, position, *_ in rows.values()]
    assert len(set(places)) == len(places), "two at one place"
    assert all(place[2] and not place[2].startswith("!") for place in places)
    assert all(not completed_with or is_completed for *_, is_completed, completed_with, _ in rows.values())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_of_changes_leaves_a_tree(session: Connection, steps: list[Any]) -> None:
    with session.transaction(force_rollback=True):
        owner, lists, tasks = household(session)
        for verb, task, other, side, in_list in steps:
            if verb == "beside" and (side not in _NEIGHBOURS or other is None):
                continue
            values = {
                "id": tasks[task],
                "owner": owner,
                "other": None if other is None else tasks[other],
                "side": side if verb == "beside" or side not in _NEIGHBOURS else "last",
                "list": None if in_list is None else lists[in_list],
            }
            state = "NOT NULL" if verb == "restore" else "NULL"
            where = f" WHERE user_id = %(owner)s AND id = %(id)s AND deleted_at IS {state}"
            before = rows_of(session, owner)
            try:
                with session.transaction():
                    session.execute((_STATEMENTS[verb] + where).encode(), values)
            except psycopg.IntegrityError:  # refused: nothing has changed
                assert rows_of(session, owner) == before
            after = rows_of(session, owner)
            assert_is_a_tree(after)
            if verb == "complete" and after != before and uuid.UUID(tasks[task]) in after:  # not refused: a series is
                assert_all_below_are_completed(after, uuid.UUID(tasks[task]), before)
        session.execute("SET CONSTRAINTS ALL IMMEDIATE")


def assert_all_below_are_completed(rows: dict[uuid.UUID, Any], top: uuid.UUID, before: dict[uuid.UUID, Any]) -> None:
    if before[top][3]:  # it was completed: completing it again is no change
        return
    below = {top}
    for _ in range(6):
        below |= {task for task, (parent, *_) in rows.items() if parent in below}
    assert all(rows[task][3] for task in below)
