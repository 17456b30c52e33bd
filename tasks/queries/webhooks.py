"""Webhooks as their owner asks for them: list, make, change, delete, and what became of deliveries; a round trip each.

What delivers them is in `webhook_events`.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from tasks import webhook_secrets
from tasks.models import Webhook, WebhookDelivery
from tasks.queries import cursors
from tasks.queries.cursors import InvalidCursor, Position
from tasks.queries.resource import Changed, NotFound, Row, Versions
from tasks.webhook_schemas import DeliveriesQuery, Replay, WebhookCreate, WebhookPatch
from tasks.webhook_schemas import Webhook as WebhookDocument
from tasks.webhook_schemas import WebhookDelivery as DeliveryDocument
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.sql import CurrentUser, Parameter
from todoproject.database.client.statement import ACCOUNT_ROLE, Credentials, Rows, Statement
from todoproject.http import read_only

TEST = "webhook.test"  # the type of what is sent for a test
MOST_REPLAYED = 1000  # events of one replay: each is a row
_FIELDS = tuple(WebhookDocument.model_fields)
_DELIVERY_FIELDS = tuple(name for name in DeliveryDocument.model_fields if name != "message_id")
# What a hook tells is tasks, and where it tells them is the account's.
_SCOPES = f"{Scope.ACCOUNT},{Scope.TASKS_READ}"
_NOW = sql.SQL("statement_timestamp()")


class WebhookNotFound(NotFound):
    """There is no such webhook, or it is somebody else's: nobody can tell which."""


class WebhookChanged(Changed):
    """The webhook is not, or no longer, what the client's precondition says; `row` is what it is."""

    noun = "webhook"


class Made(NamedTuple):
    """A webhook whose secret is new, and that secret, shown this once."""

    id: UUID
    row: Row
    secret: str


def _fenced(query: str, *, repeatable: bool = False, writes: bool = False) -> Statement:
    return Statement.fenced(query, scope=_SCOPES, role=ACCOUNT_ROLE, repeatable=repeatable, writes=writes)


def _own() -> "QuerySet[Any, Any]":
    return Webhook.objects.filter(user=CurrentUser())


def _one() -> "QuerySet[Any, Any]":
    return _own().filter(id=Parameter("id"))


# --- Reading --------------------------------------------------------------------------------------


@lru_cache
def _list() -> Statement:
    rows = statements.select(_own().order_by("-id").values(*_FIELDS))
    return _fenced(statements.as_json(rows, Webhook, _FIELDS), repeatable=True)


async def list_all(work: Work, credentials: Credentials) -> bytes:
    """Return the webhooks of the account as JSON, newest first."""
    rows = await work.execute(_list(), credentials=credentials)
    return b'{"items":[%b]}' % b",".join([rows.bytes(row, 0) for row in range(len(rows))])


@lru_cache
def _get() -> Statement:
    text = statements.as_json(statements.select(_one().values(*_FIELDS)), Webhook, _FIELDS, ["version"])
    return _fenced(text, repeatable=True)


async def get(work: Work, credentials: Credentials, hook_id: UUID) -> Row:
    """Return a webhook. Raises WebhookNotFound."""
    rows = await work.execute(_get(), {"id": hook_id}, credentials)
    if not rows:
        raise WebhookNotFound
    return Row(rows.bytes(0, 0), rows.text(0, 1))


@lru_cache
def _deliveries(is_continued: bool) -> Statement:
    rows: QuerySet[Any, Any] = WebhookDelivery.objects.filter(user=CurrentUser(), webhook_id=Parameter("id"))
    if is_continued:
        rows = rows.filter(id__lt=Parameter("last"))
    page = f"{statements.select(rows.order_by('-id').values(*_DELIVERY_FIELDS))} LIMIT %(limit)s"
    text = statements.as_json(page, WebhookDelivery, _DELIVERY_FIELDS, ["id", "change_no"])
    hook = statements.select(_one().values("id"))
    return _fenced(
        f"SELECT page.* FROM ({hook}) AS hook LEFT JOIN ({text}) AS page (document, id, change_no) ON true"  # noqa: S608 -- composed of our own statements
        " ORDER BY page.id DESC",
        repeatable=True,
    )


async def deliveries(work: Work, credentials: Credentials, hook_id: UUID, query: DeliveriesQuery) -> bytes:
    """Return a page of what became of events at a webhook, newest first. Raises WebhookNotFound, InvalidCursor."""
    made_for = ("webhook_deliveries", str(hook_id))
    last = None if query.cursor is None else cursors.read(query.cursor, made_for)
    values: dict[str, object] = {"id": hook_id, "limit": query.limit + 1}
    if last is not None:
        values["last"] = UUID(last.keys[0])
    rows = await work.execute(_deliveries(last is not None), values, credentials)
    if last is not None and last.user_id != rows.user_id:
        raise InvalidCursor
    if not rows:
        raise WebhookNotFound
    found = 0 if rows.value(0, 0) is None else len(rows)
    cursor = b"null"
    if found > query.limit:
        end = Position(str(rows.user_id), [rows.text(query.limit - 1, 1)], {})
        cursor = b'"%b"' % cursors.write(end, made_for).encode()
    items = b",".join([_delivery(rows, row, hook_id) for row in range(min(found, query.limit))])
    return b'{"items":[%b],"next_cursor":%b}' % (items, cursor)


def _delivery(rows: Rows, row: int, hook_id: UUID) -> bytes:
    """Return a delivery as JSON, with what its event is called at the hook."""
    number = rows.value(row, 2)
    event = rows.text(row, 1) if number is None else number.decode()
    name = webhook_secrets.message_id(hook_id, event)
    return b'{"message_id":"%b",%b' % (name.encode(), rows.bytes(row, 0)[1:])


# --- Writing --------------------------------------------------------------------------------------


@lru_cache
def _create() -> Statement:
    values = statements.placeholders(["id", "url", "events", "secret"]) | {"user": statements.CURRENT_USER}
    write = statements.insert(Webhook, values, _FIELDS)
    text = statements.as_json("SELECT * FROM made", Webhook, _FIELDS, ["version"])
    return _fenced(f"WITH made AS ({write}) {text}", writes=True)


async def create(work: Work, credentials: Credentials, new: WebhookCreate) -> Made:
    """Make a webhook, which begins with what happens now."""
    secret = webhook_secrets.generate()
    hook_id = uuid7()
    values = {"id": hook_id, "url": new.url, "events": new.events, "secret": webhook_secrets.seal(secret)}
    rows = await work.execute(_create(), values, credentials)
    return Made(hook_id, Row(rows.bytes(0, 0), rows.text(0, 1)), webhook_secrets.shown(secret))


# The owner is locked: nobody changes the row between the comparison and the write.
_CONDITION = "(%(if_match)s::integer[] IS NULL OR version = ANY (%(if_match)s::integer[]))"


def _written_if(write: str, sent: frozenset[str] = frozenset()) -> Statement:
    """Write the webhook if it is what the client expects; give it as it is now, and whether it was written.

    `sent` are names of read-only members that must be what they are.
    """
    condition = " AND ".join(filter(None, [_CONDITION, read_only.condition(sent)]))
    names = statements.columns(Webhook, _FIELDS)
    rows = f"""
        SELECT {names}, true AS is_done FROM written
        UNION ALL
        SELECT {names}, false FROM current WHERE NOT EXISTS (SELECT FROM matching)
    """  # noqa: S608 -- composed of our own statements
    return _fenced(
        f"""
        WITH current AS MATERIALIZED ({statements.select(_one().values(*_FIELDS))}),
             matching AS MATERIALIZED (SELECT FROM current WHERE {condition}),
             written AS MATERIALIZED ({write})
        {statements.as_json(rows, Webhook, _FIELDS, ["version", "is_done"])}
        """,
        writes=True,
    )


_MATCHING = "EXISTS (SELECT FROM matching)"


@lru_cache(maxsize=128)
def _change(changed: frozenset[str], sent: frozenset[str]) -> Statement:
    if not changed:
        names = statements.columns(Webhook, _FIELDS)
        return _written_if(f"SELECT {names} FROM current WHERE {_MATCHING}", sent)  # noqa: S608 -- as above
    return _written_if(statements.update(_one(), statements.placeholders(sorted(changed)), _FIELDS, _MATCHING), sent)


@lru_cache
def _rotate() -> Statement:
    values = {**statements.placeholders(["secret"]), "rotated_at": _NOW}
    return _written_if(statements.update(_one(), values, _FIELDS, _MATCHING))


@lru_cache
def _delete() -> Statement:
    names = statements.columns(Webhook, _FIELDS)
    return _written_if(f"SELECT {names} FROM current WHERE {_MATCHING} AND delete_webhook(id)")  # noqa: S608 -- as above


async def change(
    work: Work, credentials: Credentials, hook_id: UUID, patch: WebhookPatch, if_match: Versions | None
) -> Row:
    """Change the members that the patch names. Raises WebhookNotFound, WebhookChanged, ReadOnlyDiffers."""
    sent = read_only.sent(patch)
    changes = {name: getattr(patch, name) for name in patch.model_fields_set - sent.keys()}
    values = {"id": hook_id, "if_match": if_match, **changes, **read_only.parameters(sent)}
    rows = await work.execute(_change(frozenset(changes), frozenset(sent)), values, credentials)
    return _row(rows, if_match, sent)


async def rotate_secret(work: Work, credentials: Credentials, hook_id: UUID, if_match: Versions | None) -> Made:
    """Give a webhook a new secret; the old one signs, too, for a day. Raises as `change` does."""
    secret = webhook_secrets.generate()
    values = {"id": hook_id, "if_match": if_match, "secret": webhook_secrets.seal(secret)}
    return Made(hook_id, _row(await work.execute(_rotate(), values, credentials)), webhook_secrets.shown(secret))


async def delete(work: Work, credentials: Credentials, hook_id: UUID, if_match: Versions | None) -> None:
    """Delete a webhook with its deliveries. Raises as `change` does."""
    _row(await work.execute(_delete(), {"id": hook_id, "if_match": if_match}, credentials))


def _row(rows: Rows, if_match: Versions | None = None, sent: Mapping[str, object] = MappingProxyType({})) -> Row:
    if not rows:
        raise WebhookNotFound
    row = Row(rows.bytes(0, 0), rows.text(0, 1))
    if rows.text(0, 2) != "t":
        if if_match is None or int(row.version) in if_match:
            read_only.refuse_differing(sent, row.json)
        raise WebhookChanged(row)
    return row


@lru_cache
def _test() -> Statement:
    own = statements.select(_one().values("id"))
    names = ("id", "user_id", "webhook_id", "type", "state", "next_try_at")
    write = f"""
        INSERT INTO webhooks_deliveries ({", ".join(names)})
        SELECT %(delivery)s, current_user_id(), id, '{TEST}', 'queued', statement_timestamp() FROM ({own}) AS hook
         WHERE has_room_in_queue()
        RETURNING {statements.columns(WebhookDelivery, _DELIVERY_FIELDS)}
    """  # noqa: S608 -- composed of our own statements
    text = statements.as_json("SELECT * FROM made", WebhookDelivery, _DELIVERY_FIELDS, ["id", "change_no"])
    return _fenced(f"WITH made AS ({write}) {text}", writes=True)


async def test(work: Work, credentials: Credentials, hook_id: UUID) -> bytes:
    """Have a test sent once, also to a webhook that is disabled; return its delivery. Raises WebhookNotFound."""
    rows = await work.execute(_test(), {"id": hook_id, "delivery": uuid7()}, credentials)
    if not rows:
        raise WebhookNotFound
    return _delivery(rows, 0, hook_id)


_REPLAY = _fenced("SELECT replay_webhook(%(id)s, %(first)s, %(last)s, %(most)s, %(seeds)s::uuid[])", writes=True)


async def replay(work: Work, credentials: Credentials, hook_id: UUID, range_: Replay) -> int:
    """Have events sent once more, each by itself; return how many. Raises WebhookNotFound, ConstraintViolated."""
    values = {
        "id": hook_id,
        "first": range_.from_,
        "last": range_.to,
        "most": MOST_REPLAYED,
        "seeds": sorted(uuid7() for _ in range(MOST_REPLAYED + 1)),
    }
    rows = await work.execute(_REPLAY, values, credentials)
    if rows.value(0, 0) is None:
        raise WebhookNotFound
    return int(rows.text(0, 0))
