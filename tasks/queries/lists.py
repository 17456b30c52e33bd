"""Lists of tasks: a page of them, one, and its writes, each in one round trip."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, F, Func, Q, QuerySet
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from tasks.list_schemas import ListCreate, ListPatch, ListReplacement, ListsQuery
from tasks.list_schemas import TaskList as ListDocument
from tasks.models import Task, TaskList
from tasks.moves import ListMove
from tasks.queries import cursors
from tasks.queries.cursors import InvalidCursor, Position
from tasks.queries.resource import (
    Changed,
    Conditions,
    Deleted,
    NotFound,
    Plan,
    Resource,
    Row,
    Versions,
    conditions,
    sql_of,
)
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.replica import replica
from todoproject.database.client.sql import CurrentUser, Parameter
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.http import read_only


class ListNotFound(NotFound):
    """There is no such list, or it is somebody else's: nobody can tell which."""


class ListChanged(Changed):
    """The list is not, or no longer, what the client's precondition says; `row` is what it is."""

    noun = "list"


class ListDeleted(Deleted):
    """The id belongs to a deleted list."""


FIELDS = tuple(ListDocument.model_fields)
LISTS = Resource(TaskList, FIELDS, ListNotFound, ListChanged, ListDeleted)
_MEMBERS = tuple(ListCreate.model_fields)


# --- Reading --------------------------------------------------------------------------------------


@lru_cache
def _page(is_archived: bool | None, deleted: bool, is_continued: bool) -> Statement:
    rows: QuerySet[Any, Any] = LISTS.own().filter(~Q(deleted_at=None) if deleted else Q(deleted_at=None))
    if is_archived is not None:
        rows = rows.filter(is_archived=is_archived)
    if is_continued:
        after = Func(F("position"), F("id"), template="(%(expressions)s) > (%%(last_key)s, %%(last_id)s)")
        after.output_field = BooleanField()
        rows = rows.filter(after)
    text = f"{statements.select(rows.order_by('position', 'id'))} LIMIT %(limit)s"
    text = statements.as_json(text, TaskList, FIELDS, ["position", "id"])
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def list_page(credentials: Credentials, query: ListsQuery) -> bytes:
    """Return a page of the user's lists as JSON. Raises InvalidCursor."""
    made_for = ["lists", query.is_archived, query.deleted]
    last = None if query.cursor is None else cursors.read(query.cursor, made_for)
    values: dict[str, object] = {"limit": query.limit + 1}
    if last is not None:
        values |= dict(zip(("last_key", "last_id"), last.keys, strict=True))
    rows = await replica.execute(_page(query.is_archived, query.deleted, last is not None), values, credentials)
    if last is not None and last.user_id != rows.user_id:
        raise InvalidCursor
    return _body(rows, query.limit, made_for)


def _body(rows: Rows, limit: int, made_for: Sequence[object]) -> bytes:
    items = b",".join([rows.bytes(row, 0) for row in range(min(len(rows), limit))])
    cursor = b"null"
    if len(rows) > limit:
        end = Position(str(rows.user_id), [rows.text(limit - 1, 1), rows.text(limit - 1, 2)], {})
        cursor = b'"%b"' % cursors.write(end, made_for).encode()
    return b'{"items":[%b],"next_cursor":%b}' % (items, cursor)


@lru_cache
def _get() -> Statement:
    text = statements.as_json(statements.select(LISTS.live()), TaskList, FIELDS, ["version"])
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def get(work: Work, credentials: Credentials, list_id: UUID) -> Row:
    """Return the user's list. Raises ListNotFound."""
    rows = await work.execute(_get(), {"id": list_id}, credentials)
    if not rows:
        raise ListNotFound
    return Row(rows.bytes(0, 0), rows.text(0, 1))


# --- Writing --------------------------------------------------------------------------------------


async def carry_out(work: Work, credentials: Credentials, plan: Plan) -> Row:
    """Write a list, and return it. Raises ListNotFound, ListChanged, ListDeleted."""
    return plan.read(await work.execute(plan.statement, plan.values, credentials))


@lru_cache
def _create() -> Statement:
    return LISTS.insert(_MEMBERS)


def creation(new: ListCreate) -> Plan:
    """Store a new list, as the last one."""
    list_id = uuid7()
    return Plan(LISTS, _create(), {"key": list_id, "id": list_id, **vars(new)})


@lru_cache
def _create_as() -> Statement:
    return LISTS.insert_as(_MEMBERS)


def creation_as(list_id: UUID, new: ListCreate) -> Plan:
    """Store a new list under an id that the client has made."""
    if sent := read_only.sent_to_create(new, list_id):
        return Plan(LISTS, _look(), {"id": list_id}, creates=True, sent=sent)
    return Plan(LISTS, _create_as(), {"key": uuid7(), "id": list_id, **_members(new)}, creates=True)


@lru_cache
def _look() -> Statement:
    return LISTS.look()


def _members(new: ListCreate) -> dict[str, object]:
    return {name: getattr(new, name) for name in _MEMBERS}


@lru_cache(maxsize=512)  # as of tasks: one shape for each set of changed members and of conditions
def _change(changed: frozenset[str], conditions: Conditions) -> Statement:
    return LISTS.update(LISTS.live(), statements.placeholders(sorted(changed)), conditions)


@lru_cache(maxsize=128)
def _leave(conditions: Conditions) -> Statement:
    return LISTS.leave(conditions)


def replacement(list_id: UUID, new: ListReplacement, if_match: Versions | None) -> Plan:
    """Give the list these members and no others."""
    sent = read_only.sent(new)
    statement = _change(frozenset(_MEMBERS), conditions(if_match, sent))
    return LISTS.plan(statement, list_id, if_match, sent, **_members(new))


def change(list_id: UUID, patch: ListPatch, if_match: Versions | None) -> Plan:
    """Change the members that the patch names; an empty patch changes nothing."""
    sent = read_only.sent(patch)
    expected = conditions(if_match, sent)
    changes = {name: getattr(patch, name) for name in patch.model_fields_set - sent.keys()}
    statement = _change(frozenset(changes), expected) if changes else _leave(expected)
    return LISTS.plan(statement, list_id, if_match, sent, **changes)


@lru_cache
def _move(conditions: Conditions) -> Statement:
    place = sql.SQL("place_list(%(id)s, %(side)s, %(neighbour)s)")
    return LISTS.update(LISTS.live(), {"position": place}, conditions)


def move(list_id: UUID, to: ListMove, if_match: Versions | None) -> Plan:
    """Put the list before or after another, or first."""
    side, neighbour = to.place
    return LISTS.plan(_move(conditions(if_match)), list_id, if_match, side=side, neighbour=neighbour)


@lru_cache
def _restore(conditions: Conditions) -> Statement:
    return LISTS.update(LISTS.live_or_deleted(), {"deleted_at": sql.NULL}, conditions, repeatable=True)


def restoration(list_id: UUID, if_match: Versions | None) -> Plan:
    """Take the list back from the trash, if it is there, with the tasks that it took along."""
    return LISTS.plan(_restore(conditions(if_match)), list_id, if_match)


# What happens to the tasks of a list that is deleted. What is left in it, a trigger refuses.
_OF_TASKS: dict[str, dict[str, sql.Composable]] = {
    "move": {"list_id": sql.NULL},
    "delete": {"deleted_at": sql.SQL("statement_timestamp()"), "deleted_with": sql.Placeholder("id")},
}


@lru_cache
def _delete(tasks: str | None, conditions: Conditions) -> Statement:
    """Write tasks and list in one statement; the list's version is looked at once, for both."""
    matching = sql_of(conditions) or "true"
    members, right = statements.columns(TaskList, FIELDS), "EXISTS (SELECT FROM matching)"
    in_list = Task.objects.filter(user=CurrentUser(), list_id=Parameter("id"), deleted_at=None)
    if tasks == "move":  # subtasks go with their parents
        in_list = in_list.filter(parent_id=None)
    of_tasks = f"of_tasks AS ({statements.update(in_list, _OF_TASKS[tasks], ['key'], right)})," if tasks else ""
    # The tasks first: whether any is left in the list is looked at in this order.
    in_order = f"{right} AND (SELECT count(*) FROM of_tasks) >= 0" if tasks else right  # noqa: S608 -- as below
    write = statements.update(LISTS.live(), {"deleted_at": sql.SQL("statement_timestamp()")}, FIELDS, in_order)
    return LISTS.write(
        f"""
        WITH current AS MATERIALIZED ({statements.select(LISTS.live().values(*FIELDS))}),
             matching AS MATERIALIZED (SELECT FROM current WHERE {matching}),
             {of_tasks}
             written AS ({write}),
             result AS (SELECT {members}, true AS is_done FROM written
                        UNION ALL
                        SELECT {members}, false FROM current WHERE NOT EXISTS (SELECT FROM matching))
        """,  # noqa: S608 -- composed of our own statements
        done="is_done",
    )


def deletion(list_id: UUID, tasks: str | None, if_match: Versions | None) -> Plan:
    """Put the list away, with its tasks or without them; a purge removes it later."""
    return LISTS.plan(_delete(tasks, conditions(if_match)), list_id, if_match)
