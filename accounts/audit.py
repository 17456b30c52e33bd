"""Who did what, when and from where: every action of staff and every sign-in, kept so that nobody can change it.

An event is written in the transaction of what it tells, so there is never one without the other. It names people and
things by id and outlives them. What is personal in it, values before and after and the address of somebody who is not
staff, stands apart (AuditDetail) and is erased with the person. The database keeps the rest (migrations/0010).

Reading a list is not recorded; opening the page of a person or a task is. Passwords, digests and secrets never are.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import BinaryField, Model, QuerySet
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from uuid_utils.compat import uuid7

from accounts.models import AuditDetail, AuditEvent, User
from todoproject.http import client_address
from todoproject.observability import logs

ADD, CHANGE, DELETE, VIEW, EXPORT = "add", "change", "delete", "view", "export"
ERASE = "erase"
REFUSED_FILTER = "refused filter"
REGISTER, SIGN_IN, SIGN_IN_FAILED, SIGN_OUT = "register", "sign-in", "sign-in failed", "sign-out"

# Never told, whatever becomes of them. Binary columns (digests, sealed answers) are not either.
SECRET = frozenset({"password"})

# What the doors are called on pages.
DOORS: Mapping[str, str] = {"admin": "admin", "api": "API", "command": "command"}

# Ids as we make them, and proxies: with dashes or without. Nobody's name looks like that.
_RANDOM_ID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")

Changes = Mapping[str, Any]  # a field's name: [before, after]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    request_id: str
    address: str | None

    def parameters(self, action: str) -> dict[str, object]:
        """Return what the statements below are given."""
        return {"event_id": uuid7(), "action": action, "request_id": self.request_id, "address": self.address}


def origin(request: HttpRequest) -> Origin:
    """Return where a request, of the API or of the admin, comes from."""
    context = logs.context.get()
    request_id = getattr(request, "request_id", "") or (context.request_id if context else "")
    address = client_address.read(request.META.get("REMOTE_ADDR", ""))
    return Origin(kept_id(request_id), str(address) if address else None)


def name_actor(request: HttpRequest) -> None:
    """Let the log of changes say who makes those of this transaction, and in which request."""
    who = [str(request.user.pk), getattr(request, "request_id", "")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.actor', %s, true), set_config('app.request_id', %s, true)", who)


def kept_id(request_id: str) -> str:
    """Return a request id as the audit keeps it: one that a client has made up as a keyed digest, which still finds it.

    It may hold anything, a name or an address, and an event outlives the person.
    """
    if not request_id or _RANDOM_ID.fullmatch(request_id):
        return request_id
    return f"client-{salted_hmac('accounts.audit.request_id', request_id, algorithm='sha256').hexdigest()[:32]}"


FAILED_SIGN_IN = "SELECT record_failed_sign_in(%(event_id)s, 'api', %(who)s, %(request_id)s, %(address)s::inet)"


def recorded(users: str) -> str:
    """Return the CTEs that record what the users of another CTE do to themselves through the API."""
    return (
        "event AS (INSERT INTO audit_events (id, actor_id, door, action, object_type, object_id, request_id)"  # noqa: S608 -- ours
        f" SELECT %(event_id)s, id, 'api', %(action)s, 'accounts.user', id::text, %(request_id)s FROM {users}"
        " RETURNING id, actor_id), detail AS (INSERT INTO audit_details (event_id, user_id, address)"
        " SELECT id, actor_id, %(address)s::inet FROM event)"
    )


def record(
    request: HttpRequest,
    action: str,
    about: Model | None = None,
    *,
    changes: Changes | None = None,
    facts: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Record, in the transaction at hand, that the staff member of this request does something.

    `changes` may be personal, `facts` must not be: ids, counts, names of fields and lists.
    """
    (event,) = record_all(request, action, [(about, changes or {})], facts=facts)
    return event


def record_all(
    request: HttpRequest,
    action: str,
    about: Iterable[tuple[Model | None, Changes]],
    *,
    facts: Mapping[str, Any] | None = None,
) -> list[AuditEvent]:
    """Record one action on several things, each with its changes, in two statements."""
    where, actor = origin(request), request.user.pk if request.user.is_authenticated else None
    pairs = [
        (
            AuditEvent(
                actor_id=actor,
                door=AuditEvent.Door.ADMIN,
                action=action,
                object_type=thing._meta.label_lower if thing is not None else "",
                object_id=str(thing.pk) if thing is not None else "",
                facts=dict(facts or {}) | ({"fields": sorted(changes)} if changes else {}),
                request_id=where.request_id,
                address=where.address,
            ),
            thing,
            changes,
        )
        for thing, changes in about
    ]
    events = AuditEvent.objects.bulk_create([event for event, _, _ in pairs])
    AuditDetail.objects.bulk_create(
        AuditDetail(event=event, user_id=_person(thing), changes=dict(changes))
        for event, thing, changes in pairs
        if changes
    )
    return events


def record_failed_sign_in(request: HttpRequest, email: str) -> None:
    """Record that somebody failed to sign in to the admin, whether or not there is such an account."""
    who = User.objects.with_email(email).values_list("pk", flat=True).first()
    where = origin(request)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT record_failed_sign_in(%s, 'admin', %s, %s, %s)", [uuid7(), who, where.request_id, where.address]
        )


def events_for(thing: Model) -> "QuerySet[AuditEvent]":
    """Return what was recorded about something, newest first; let the caller say how many."""
    events = AuditEvent.objects.filter(object_type=thing._meta.label_lower, object_id=str(thing.pk))
    return events.select_related("detail").order_by("-id")


def events_of(user: User) -> "QuerySet[AuditEvent]":
    """Return what somebody has done, newest first."""
    return AuditEvent.objects.filter(actor_id=user.pk).select_related("detail").order_by("-id")


def address_of(event: AuditEvent) -> str:
    """Return where an event came from, the empty string where that is not known; `detail` is best selected along."""
    detail = getattr(event, "detail", None)
    return str(event.address or (detail and detail.address) or "")


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """An event with what people call its actor, for a page."""

    event: AuditEvent
    actor: str


def named(events: "list[AuditEvent]") -> list[NamedEvent]:
    """Put the e-mails of the actors beside events, in one query; who is gone is told by id."""
    emails: dict[uuid.UUID | None, str] = dict(
        User.objects.filter(pk__in={event.actor_id for event in events}).values_list("pk", "email")
    )
    return [NamedEvent(event, emails.get(event.actor_id) or str(event.actor_id or "nobody known")) for event in events]


def values(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """Return fields of a row as JSON can hold them, secrets left out; what is many-to-many as a list of names."""
    told = {}
    for name in names:
        field = row._meta.get_field(name)
        if name in SECRET or isinstance(field, BinaryField):
            continue
        if field.many_to_many:
            told[name] = sorted(str(other) for other in getattr(row, name).all())
        else:
            told[name] = _plain(getattr(row, field.attname))  # type: ignore[union-attr]  # concrete fields only
    return told


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has changed, as a field's name: [before, after]."""
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _person(thing: Model | None) -> Any:
    return thing.pk if isinstance(thing, User) else getattr(thing, "user_id", None)
