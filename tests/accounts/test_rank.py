"""Rank: nobody does to staff what would let them become somebody who may do more, whatever state those are in."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from accounts.admin.person_actions import DEEDS
from accounts.models import AccessToken, SecondFactor, User
from tests.support.staff import logged_in, make_token, make_user, order, seen

pytestmark = pytest.mark.usefixtures("orm")

RANKS = ("person", "Viewer", "Support", "Administrator", "superuser")
STATES = ("active", "inactive", "no longer staff", "inactive and no longer staff")
# Whom each may act on. A person is nobody's staff, and a group of staff is less than the next.
BELOW = {
    "Viewer": set(),
    "Support": {"person", "Viewer"},
    "Administrator": {"person", "Viewer", "Support"},
    "superuser": set(RANKS),
}


def somebody(rank: str, state: str = "active") -> User:
    is_staff = rank != "person" and "no longer staff" not in state
    user = make_user(rank.lower(), is_staff=is_staff, is_superuser=rank == "superuser")
    if rank in ("Viewer", "Support", "Administrator"):
        user.groups.add(Group.objects.get(name=rank))
    SecondFactor.objects.create(user=user, secret=b"x", recovery_codes=[])
    User.objects.filter(pk=user.pk).update(is_active="inactive" not in state)
    return User.objects.get(pk=user.pk)


def cases() -> Iterator[tuple[str, str, str]]:
    yield from ((actor, target, state) for actor in BELOW for target in RANKS for state in STATES)


def tried(actor: User, target: User) -> dict[str, bool]:
    """Try everything that may be done to somebody; say of each whether it was open."""
    client = logged_in(actor)
    token = make_token(target)
    opened = {
        deed.name: client.get(reverse("admin:accounts_user_do", args=[target.pk, deed.name])).status_code == 200
        for deed in DEEDS
    }
    form = {"email": f"taken-{target.email}", "timezone": "Asia/Tokyo", **seen(target)}
    opened["edit"] = client.post(reverse("admin:accounts_user_change", args=[target.pk]), form).status_code == 302
    if actor.has_perm("accounts.change_accesstoken"):
        assert order(client, "accounts_accesstoken", "revoke", token).status_code == 302
    opened["revoke"] = AccessToken.objects.get(pk=token.pk).revoked_at is not None
    return opened


@pytest.mark.parametrize(("rank", "target", "state"), list(cases()))
def test_nobody_acts_on_who_may_do_as_much_in_whatever_state(rank: str, target: str, state: str) -> None:
    actor, other = somebody(rank), somebody(target, state)
    before = User.objects.filter(pk=other.pk).values("email", "timezone", "is_active", "is_staff", "password")[0]
    opened = tried(actor, other)
    may = target in BELOW[rank]
    is_active = "inactive" not in state
    expected = {deed.name: may and actor.has_perm(f"accounts.{deed.right}") for deed in DEEDS}
    expected |= {
        "edit": may and actor.has_perm("accounts.change_user"),
        "revoke": may and actor.has_perm("accounts.change_accesstoken"),
        "reactivate": expected["reactivate"] and not is_active,
        "deactivate": expected["deactivate"] and is_active,
        "send-reset": expected["send-reset"] and is_active,
    }
    assert opened == expected
    after: Any = User.objects.filter(pk=other.pk).values("email", "timezone", "is_active", "is_staff", "password")[0]
    assert (after == before) == (not expected["edit"])


@pytest.mark.parametrize("state", STATES)
def test_a_right_of_ones_own_counts_like_one_of_a_group(state: str) -> None:
    from django.contrib.auth.models import Permission

    other = somebody("person", state)
    other.user_permissions.add(Permission.objects.get(codename="erase_user"))
    opened = tried(somebody("Support"), other)
    assert not any(opened.values())
