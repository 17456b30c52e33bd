"""Labels: which there are, and what becomes of one on all tasks of its owner, the deleted ones too."""

from functools import lru_cache

from psycopg import sql

from accounts.models import Scope
from tasks.queries.documents import own
from tasks.queries.resource import NotFound
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.replica import replica
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.http.read_only import ReadOnlyDiffers


class LabelNotFound(NotFound):
    """None of the user's tasks has this label."""


@lru_cache
def _counts() -> Statement:
    tasks = statements.select(own().live().values("labels", "is_completed"))
    text = f"""
        SELECT json_build_object('items', coalesce(json_agg(json_build_object('name', name, 'open_tasks', open_tasks)
                                                             ORDER BY folded COLLATE "C"), '[]'))
          FROM (SELECT fold(label) AS folded, mode() WITHIN GROUP (ORDER BY label COLLATE "C") AS name,
                       count(*) FILTER (WHERE NOT is_completed) AS open_tasks
                  FROM ({tasks}) AS tasks, unnest(labels) AS label GROUP BY 1) AS counted
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def counts(credentials: Credentials) -> bytes:
    """Return the labels on the user's tasks and how many open ones have each, as JSON."""
    return (await replica.execute(_counts(), {}, credentials)).bytes(0, 0)


_HAS_IT = "has_labels(labels, ARRAY[%(present)s::text])"


@lru_cache
def _change(labels: str) -> Statement:
    """Write every task that has the label; count those that had it, changed or not."""
    write = statements.update(own(), {"labels": sql.SQL(labels)}, ["key"], condition=_HAS_IT)
    text = f"WITH written AS ({write}) SELECT count(*) FROM written"  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=True, writes=True, counts=True)


@lru_cache
def _rename(is_counted: bool) -> Statement:
    """Write every task that has the label; where the client has counted the open ones, only if they are so many.

    Who writes has locked the owner before: nobody else changes them between the count and the write.
    """
    name = "rename_label(labels, %(present)s, %(name)s)"
    if not is_counted:
        return _change(name)
    counted = f"""
        SELECT count(*) AS found,
               count(*) FILTER (WHERE deleted_at IS NULL AND NOT is_completed) = %(open_tasks)s::numeric AS is_so
          FROM tasks WHERE user_id = (SELECT current_user_id()) AND {_HAS_IT}
    """  # noqa: S608 -- composed of our own statements
    condition = f"{_HAS_IT} AND (SELECT is_so FROM counted)"  # noqa: S608 -- as above
    write = statements.update(own(), {"labels": sql.SQL(name)}, ["key"], condition=condition)
    text = f"WITH counted AS MATERIALIZED ({counted}), written AS ({write}) SELECT found, is_so FROM counted"  # noqa: S608 -- as above
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=True, writes=True, counts=True)


async def rename(work: Work, credentials: Credentials, present: str, name: str, open_tasks: int | None = None) -> Rows:
    """Give the label another name on every task; where both stand, one is left.

    `open_tasks` is how many open ones have it, where the client says so. Raises LabelNotFound, ReadOnlyDiffers.
    """
    values: dict[str, object] = {"present": present, "name": name}
    if open_tasks is not None:
        values["open_tasks"] = open_tasks
    rows = _some(await work.execute(_rename(open_tasks is not None), values, credentials))
    if open_tasks is not None and rows.text(0, 1) != "t":
        raise ReadOnlyDiffers(["open_tasks"])
    return rows


async def remove(work: Work, credentials: Credentials, present: str) -> Rows:
    """Take the label off every task. Raises LabelNotFound."""
    statement = _change("change_labels(labels, ARRAY[%(present)s::text], '{}')")
    return _some(await work.execute(statement, {"present": present}, credentials))


def _some(rows: Rows) -> Rows:
    if rows.text(0, 0) == "0":
        raise LabelNotFound
    return rows
