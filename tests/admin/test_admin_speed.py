"""The admin on a table that is too big to be read: what a page reads is bounded, not only how often it asks."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tasks.admin import search, statistics
from tasks.models import Task
from tests.support.staff import make_task, make_user, page, root_client

TASKS = 30_000
# More than the rows of any page and of what is counted, and far less than the table.
MOST_ROWS = 8_000

FILL = """
INSERT INTO tasks (key, id, user_id, title, priority, is_completed, completed_at, created_at, updated_at, sort_title,
                   due_on, sort_due)
SELECT key, key, %(owner)s, 'Filler ' || number, number %% 5, number %% 2 = 0,
       CASE WHEN number %% 2 = 0 THEN now() - age END, now() - age, now() - age, 'filler',
       (now() - age)::date, (now() - age)::date::timestamp AT TIME ZONE 'UTC'
  FROM (SELECT number, number * interval '20 minutes' AS age, uuidv7(-number * interval '20 minutes') AS key
          FROM generate_series(1, %(count)s) AS number) AS one
"""

LISTS = {
    "the list": "",
    "a late page": "?p=30",
    "words that nobody wrote": "?q=nothingofthekind",
    "words": "?q=rareword",
    "a word of every task": "?q=filler",
    "a word of every task, among the open": "?q=fill&state=open",
    "an owner's e-mail": "?q=rare-owner",
    "an id": "?q={id}",
    "an owner": "?user__id__exact={owner}",
    "an owner, sorted": "?user__id__exact={owner}&o=1",
    "made-up sorting": "?o=1.2.-3",
    "open": "?state=open",
    "overdue": "?state=overdue",
    "urgent": "?priority__exact=4",
    "made on some days": "?created_at_from=2026-01-01&created_at_to=2026-01-02",
    "completed on some days": "?completed_at_from=2026-01-01&completed_at_to=2026-01-02",
    "deleted": "?deleted=yes",
    "deleted or not": "?deleted=all",
}


@pytest.fixture(scope="module")
def big(database: None) -> Iterator[Task]:
    """A task in a big table, which is small again afterwards."""
    with connection.cursor() as cursor:
        # A list looks from the newest task on. What tests have left would be newer than all of these, and none of it
        # overdue or urgent: reading it all would say how many tests there are.
        cursor.execute("TRUNCATE tasks, reminders")
    filler = make_user("filler")
    rare = make_task(make_user("rare-owner"), "A rareword")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks DISABLE TRIGGER USER")
        cursor.execute(FILL, {"owner": filler.pk, "count": TASKS})
        cursor.execute("ALTER TABLE tasks ENABLE TRIGGER USER")
        cursor.execute("VACUUM ANALYZE tasks")
    yield rare
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tasks WHERE user_id = %s", [filler.pk])
    User.objects.filter(pk=filler.pk).delete()
    connection.close()


@pytest.mark.parametrize("query", LISTS.values(), ids=LISTS)
def test_a_list_reads_a_bounded_part_of_the_table(big: Task, query: str) -> None:
    client = root_client()
    with CaptureQueriesContext(connection) as asked:
        page(client.get("/admin/tasks/task/" + query.format(id=big.id, owner=big.user_id)))
    assert len(asked) <= 9  # one of them: is there anything to search for?
    assert rows_read(asked) <= MOST_ROWS


@pytest.mark.parametrize("query", ["?due_on_from=9999-01-01", "?priority__exact=3&created_at_to=2020-01-01"])
def test_a_list_of_what_nobody_has_reads_the_table_once_at_most(big: Task, query: str) -> None:
    client = root_client()
    with CaptureQueriesContext(connection) as asked:
        found = client.get("/admin/tasks/task/" + query)
    assert found.context["cl"].result_count == 0
    assert rows_read(asked) <= TASKS + 1


@pytest.mark.parametrize(
    "query", ["?q=filler", "?q=9+fill&state=completed", "?q=fill&priority__exact=2", "?q=none+filler"]
)
def test_a_common_word_finds_what_the_index_finds(big: Task, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = root_client()
    quick = client.get("/admin/tasks/task/" + query).context["cl"]
    monkeypatch.setattr(search, "_COMMON", 2)  # more than all: nothing is that common
    whole = client.get("/admin/tasks/task/" + query).context["cl"]
    assert [task.pk for task in quick.result_list] == [task.pk for task in whole.result_list]
    assert (quick.result_count, quick.paginator.is_capped) == (whole.result_count, whole.paginator.is_capped)


@pytest.mark.parametrize("view", ["change", "history", "delete"])
def test_a_page_of_one_task_reads_its_row(big: Task, view: str) -> None:
    client = root_client()
    with CaptureQueriesContext(connection) as asked:
        page(client.get(f"/admin/tasks/task/{big.pk}/{view}/"))
    assert len(asked) <= 14  # its parent and its subtasks among them
    assert rows_read(asked) <= 10


def test_the_dashboard_reads_no_task_but_through_an_index(big: Task) -> None:
    with CaptureQueriesContext(connection) as asked:
        statistics.read()
    assert len(asked) <= 19
    # Without the ways that suit a table of this size: what is left must be an index that has all that is asked.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        kinds = [node["Node Type"] for query in asked for node in nodes_of_tasks(query["sql"])]
    assert len(kinds) >= 3
    assert set(kinds) == {"Index Only Scan"}


def test_the_dashboard_is_read_once_a_minute(big: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "kept", statistics.Kept())
    client, asked = root_client(), []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert "Tasks completed" in page(client.get("/admin/"))
        asked.append(len([query for query in queries if re.search(r"\btasks\b", query["sql"])]))
    assert asked[0] > 0
    assert asked[1] == 0


def rows_read(asked: CaptureQueriesContext) -> int:
    """Return how many rows of tasks these queries look at, whether they keep them or not."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for query in asked
        for node in nodes_of_tasks(query["sql"])
    )


def nodes_of_tasks(sql: str) -> Iterator[dict[str, Any]]:
    """Run a query again and yield what of its plan reads tasks or an index of theirs."""
    if not re.match(r"SELECT\b", sql) or "tasks" not in sql:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql)
        found = cursor.fetchone()[0]
    todo = [(json.loads(found) if isinstance(found, str) else found)[0]["Plan"]]
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if node.get("Relation Name") == "tasks" or "tasks" in node.get("Index Name", ""):
            yield node
