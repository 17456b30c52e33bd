"""What the things that events are about are called, beside their ids, as far as one may see them."""

from django.contrib.auth.models import Group
from django.db.models import Case, CharField, Model, OuterRef, Q, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import AccessToken, AuditEvent, User

# By a model's label. Their keys are UUIDs.
_NAMES: dict[str, tuple[type[Model], str]] = {
    "accounts.user": (User, "email"),
    "accounts.accesstoken": (AccessToken, "name"),
}


def add(model: type[Model], field: str) -> None:
    """Call the things of another app by one of their fields; they are found by their id or key, a UUID."""
    _NAMES[model._meta.label_lower] = (model, field)


def with_names(request: HttpRequest, events: "QuerySet[AuditEvent]") -> "QuerySet[AuditEvent]":
    """Put the names beside the ids."""
    named = [(label, model, field) for label, (model, field) in _NAMES.items() if _may_see(request, model)]
    # A CASE, so that nothing but a UUID is ever read as one.
    is_known = Q(object_type__in=[label for label, _, _ in named]) & ~Q(object_id="")
    key = Case(When(is_known, then=Cast("object_id", UUIDField())), default=None)
    names = [
        When(object_type=label, then=Subquery(model._base_manager.filter(pk=OuterRef("object_key")).values(field)))
        for label, model, field in named
    ]
    if _may_see(request, Group):  # whose key is a number
        groups = Group.objects.alias(key=Cast("pk", CharField())).filter(key=OuterRef("object_id"))
        names.append(When(object_type=Group._meta.label_lower, then=Subquery(groups.values("name"))))
    name = Case(*names, default=None, output_field=CharField())
    return events.annotate(object_key=key).annotate(object_name=name)


def thing(event: AuditEvent) -> str | dict[str, str]:
    """Return what an event is about, and where it is shown; only its kind, where it is about no one thing."""
    kind = event.kind
    if not event.object_id:
        return kind
    name = getattr(event, "object_name", None) or event.object_id
    address = reverse(f"admin:{event.object_type.replace('.', '_')}_change", args=[event.object_id])
    return {"text": f"{kind} {name}", "href": address}


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    options = model._meta
    return model is User or bool(request.user.has_perm(f"{options.app_label}.view_{options.model_name}"))
