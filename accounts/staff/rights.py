"""Whom staff may act on: nobody as powerful as themselves. Groups say what they may do (migrations/0011)."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Count, Q, QuerySet

from accounts.models import User


def outranks(actor: User, other: User) -> bool:
    """Tell whether `actor` may act on `other`: on people, and on staff who may do less than they themselves.

    Superusers may act on everybody. Nobody but they may act on themselves or their equals. What counts is what `other`
    could do if active and let in: else support could change an inactive administrator's e-mail and wake them up.
    """
    if actor.is_superuser:
        return True
    return not other.is_superuser and held_if_active(other) < actor.get_all_permissions()


def held_if_active(user: User) -> set[str]:
    """Return the rights that somebody has, or would have if they were active; a superuser has more than these."""
    held = Permission.objects.filter(Q(group__user=user) | Q(user=user)).distinct()
    return {f"{app}.{name}" for app, name in held.values_list("content_type__app_label", "codename")}


def grantable(actor: User) -> "QuerySet[Group]":
    """Return the groups that `actor` may put others into: those that may do less than they themselves."""
    if actor.is_superuser:
        return Group.objects.all()
    held = Permission.objects.filter(Q(group__user=actor) | Q(user=actor)).distinct()
    within = Group.objects.exclude(permissions__in=Permission.objects.exclude(pk__in=held.values("pk")))
    return within.annotate(rights=Count("permissions")).filter(rights__lt=held.count())
