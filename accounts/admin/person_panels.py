"""What the page of a person shows below the form: a few rows of everything that is theirs, and where to find the rest.

`accounts` knows nothing of `tasks`: each app adds its panels, which come first: they are what the person is here for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize

from accounts import audit
from accounts.admin import event_names
from accounts.admin.tokens import state_of
from accounts.models import AccessToken, AuditEvent, User
from accounts.staff.rights import held_if_active
from todoproject.admin import words

ROWS = 10


@dataclass(frozen=True, slots=True)
class Panel:
    """A table; a cell is text, or a text and the address it leads to."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: str = ""  # the whole list
    empty: str = field(default="None.")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about a person, in a word or a number; where there is a list of it, with its address."""

    name: str
    value: str
    address: str = ""


FactSource = Callable[[HttpRequest, User], list[Fact]]
_fact_sources: list[FactSource] = []

Source = Callable[[HttpRequest, User], Panel | None]
_sources: list[Source] = []


def add(source: Source) -> None:
    """Put a panel on the page of every person; None where the staff member may not see it."""
    _sources.append(source)


def add_facts(source: FactSource) -> None:
    """Put facts into the first line about every person; none where the staff member may not see them."""
    _fact_sources.append(source)


def summary(request: HttpRequest, user: User) -> list[Fact]:
    """Return the first line about a person: what support looks for before anything else."""
    return [fact for source in (*_fact_sources, _token_facts, _sign_in_facts) for fact in source(request, user)]


def of(request: HttpRequest, user: User) -> list[Panel]:
    """Return the panels of a person, with a bounded number of bounded queries."""
    sources = (*_sources, _tokens, _failed, _done, _done_to)
    return [panel for source in sources if (panel := source(request, user)) is not None]


def link(text: object, view: str, *arguments: object) -> dict[str, str]:
    """Return a cell that leads to a page of the admin."""
    return {"text": str(text), "href": reverse(f"admin:{view}", args=arguments)}


def when(time: Any) -> str:
    """Return a time as all pages of the admin write it."""
    return str(localize(time)) if time else "never"


def more(view: str, **query: object) -> str:
    """Return the address of a filtered list."""
    return reverse(f"admin:{view}_changelist", query={name: str(value) for name, value in query.items()})


def _tokens(request: HttpRequest, user: User) -> Panel | None:
    if not request.user.has_perm("accounts.view_accesstoken"):
        return None
    newest = AccessToken.objects.filter(user=user).select_related("user").order_by("-id")[:ROWS]
    rows = [
        (
            link(token.name, "accounts_accesstoken_change", token.pk),
            token.get_kind_display(),
            state_of(token),
            when(token.created_at),
            when(token.last_used_at),
        )
        for token in newest
    ]
    address = more("accounts_accesstoken", user__id__exact=user.pk)
    return Panel("Access tokens", ("Name", "Kind", "State", "Created", "Last used"), rows, address)


def _failed(request: HttpRequest, user: User) -> Panel | None:
    if not may_see_sign_ins(request, user):
        return None
    failed = audit.events_for(user).filter(action=audit.SIGN_IN_FAILED)[:ROWS]
    rows = [(when(event.at), audit.DOORS[event.door], _address(event)) for event in failed]
    return Panel("Failed sign-ins", ("Time", "Through", "From"), rows, _audit(request, object_id=user.pk))


def _done(request: HttpRequest, user: User) -> Panel | None:
    if not may_see_sign_ins(request, user):
        return None
    events = event_names.with_names(request, audit.events_of(user))[:ROWS]
    rows = [(when(one.at), one.action, event_names.thing(one), audit.DOORS[one.door], _address(one)) for one in events]
    columns = ("Time", "Action", "On", "Through", "From")
    return Panel("What they did", columns, rows, _audit(request, actor_id=user.pk))


def _done_to(request: HttpRequest, user: User) -> Panel | None:
    events = audit.events_for(user).exclude(actor_id=user.pk).exclude(action__in=[audit.VIEW, audit.SIGN_IN_FAILED])
    rows = [
        (when(named.event.at), named.event.action, words.fields(named.event), named.actor)
        for named in audit.named(list(events[:ROWS]))
    ]
    return Panel("What staff did", ("Time", "Action", "Fields", "By"), rows, _audit(request, object_id=user.pk))


def may_see_sign_ins(request: HttpRequest, user: User) -> bool:
    """Tell whether when and where from somebody signs in may be shown: of staff, to those who may see the audit."""
    is_audited: bool = request.user.has_perm("accounts.view_auditevent")
    return is_audited or not (user.is_staff or user.is_superuser or held_if_active(user))


def _address(event: AuditEvent) -> str:
    return audit.address_of(event) or "–"


def _audit(request: HttpRequest, **query: object) -> str:
    return more("accounts_auditevent", **query) if request.user.has_perm("accounts.view_auditevent") else ""


def _token_facts(request: HttpRequest, user: User) -> list[Fact]:
    if not request.user.has_perm("accounts.view_accesstoken"):
        return []
    is_live = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=Now()))
    found = user.tokens.aggregate(live=Count("pk", filter=is_live), used=Max("last_used_at"))
    seen = max(filter(None, (found["used"], user.last_login)), default=None)
    address = more("accounts_accesstoken", user__id__exact=user.pk)
    return [Fact("Live tokens", f"{found['live']:,}", address), Fact("Last seen", when(seen))]


def _sign_in_facts(request: HttpRequest, user: User) -> list[Fact]:
    if not may_see_sign_ins(request, user):
        return []
    since = timezone.now() - timedelta(days=7)
    count = audit.events_for(user).filter(action=audit.SIGN_IN_FAILED, at__gte=since).count()
    return [Fact("Failed sign-ins, 7 days", f"{count:,}")]
