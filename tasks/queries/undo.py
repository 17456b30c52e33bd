"""Undo what a request has changed: one message, in which the second statement reads what the first has written."""

from functools import lru_cache

from accounts.models import Scope
from tasks.queries.feed import KINDS, item
from tasks.queries.resource import Resource
from todoproject.database.client import sql
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.database.client.transaction import Transaction


@lru_cache
def _undo() -> Statement:
    text = "SELECT undo_change(%(change_no)s)"
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, writes=True, counts=True)


def _written(kind: str, resource: Resource) -> str:
    rows = sql.select(resource.own())
    documents = sql.as_json(
        f"{rows} AND change_no > (SELECT transaction_began())",
        resource.model,
        resource.fields,
        ["change_no", "id", "deleted_at"],
    )
    return f"""
        SELECT '{kind}' AS kind, change_no, id, CASE WHEN deleted_at IS NULL THEN document END AS document
          FROM ({documents}) AS written (document, change_no, id, deleted_at)
    """  # noqa: S608 -- composed of our own statements


@lru_cache
def _changed() -> Statement:
    kinds = " UNION ALL ".join(_written(kind, resource) for kind, resource in KINDS.items())
    return Statement.fenced(f"{kinds} ORDER BY change_no", scope=Scope.TASKS_WRITE)


async def undo(work: Work, credentials: Credentials, change_no: int) -> tuple[bytes, Rows]:
    """Undo the action that a change belongs to; return what it has changed, as JSON, and how much that is."""

    async def carry_out(transaction: Transaction) -> list[Rows]:
        statements = [(_undo(), {"change_no": change_no}), (_changed(), {})]
        outcomes = await transaction.execute_each(statements, credentials, keep_going=False)
        done = [outcome for outcome in outcomes if isinstance(outcome, Rows)]
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return done

    undone, changed = await work.transact(carry_out, credentials)
    items = (item(*((changed.value(row, column) or b"null") for column in range(4))) for row in range(len(changed)))
    return b'{"items":[%b]}' % b",".join(items), undone
