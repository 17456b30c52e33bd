"""Another e-mail for an account, by staff: nothing changes before the old or the new address has agreed."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts.models import AuditEvent, EmailChange, User
from tests.support.people import PASSWORD, Person
from tests.support.staff import in_thread, logged_in, make_user, page, root_client, seen

pytestmark = pytest.mark.usefixtures("orm")

VERIFY = "/v1/auth/verify-email"


def ask(user_id: str, new: str, by: Client | None = None) -> dict[str, str]:
    """Ask for another e-mail as staff do; return the code that was mailed to each address."""
    mail.outbox = []
    user = User.objects.get(pk=user_id)
    form = {"email": new, "timezone": user.timezone, **seen(user)}
    answer = (by or root_client()).post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True)
    assert "is still" in page(answer)
    codes = {}
    for letter in mail.outbox:
        code = re.search(r"^(\S{43})$", letter.body, re.MULTILINE)
        assert code is not None
        codes[letter.to[0]] = code[1]
    return codes


async def here(work: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(in_thread, work, *arguments)


def stored(user_id: str) -> Any:
    return User.objects.values("email", "email_verified_at", "sessions_ended_at").get(pk=user_id)


@pytest.mark.parametrize("by", ["old", "new"])
async def test_an_e_mail_changes_when_the_old_or_the_new_address_agrees(
    client: httpx.AsyncClient, alice: Person, by: str
) -> None:
    script, new = await alice.token_for("tasks:read"), f"new-{alice.email}"
    codes = await here(ask, alice.id, new)
    assert codes.keys() == {alice.email, new}
    assert len(set(codes.values())) == 2
    before = await here(stored, alice.id)
    assert before["email"] == alice.email
    assert before["sessions_ended_at"] is not None
    assert (await alice.http.get("/v1/me")).status_code == 401  # a session; what a script has stays
    assert (await client.get("/v1/tasks", headers=script)).status_code == 200
    login = {"email": alice.email, "password": PASSWORD}
    assert (await client.post("/v1/auth/login", json={**login, "email": new})).status_code == 401
    session = (await client.post("/v1/auth/login", json=login)).json()["token"]

    mail.outbox = []
    code = {"token": codes[alice.email if by == "old" else new]}
    assert (await client.post(VERIFY, json=code)).status_code == 204
    after = await here(stored, alice.id)
    assert (after["email"], after["email_verified_at"] is not None) == (new, by == "new")
    assert after["sessions_ended_at"] > before["sessions_ended_at"]
    assert (await client.get("/v1/me", headers={"Authorization": f"Bearer {session}"})).status_code == 401
    assert (await client.get("/v1/tasks", headers=script)).status_code == 200
    assert (await client.post("/v1/auth/login", json={**login, "email": new})).status_code == 201
    for used in codes.values():
        assert (await client.post(VERIFY, json={"token": used})).status_code == 400
    await asyncio.sleep(0.1)
    assert [letter.to for letter in mail.outbox] == [[alice.email]]

    def recorded() -> list[str]:
        return [event.action for event in AuditEvent.objects.filter(object_id=alice.id).order_by("id")]

    actions = await here(recorded)
    assert actions.count("ask e-mail change") == actions.count("change e-mail") == 1


def member(name: str) -> Client:
    user = make_user("member", is_staff=True)
    user.groups.set([Group.objects.get(name=name)])
    return logged_in(user)


@pytest.mark.parametrize(("group", "asks_new"), [("Support", False), ("Administrator", True)])
async def test_only_who_may_take_all_data_along_asks_the_new_address(
    client: httpx.AsyncClient, alice: Person, group: str, asks_new: bool
) -> None:
    """Support named an address of their own, used the code that came there, and had the password reset."""
    new = f"new-{alice.email}"
    codes = await here(lambda: ask(alice.id, new, member(group)))
    assert codes.keys() == {alice.email} | ({new} if asks_new else set())
    assert (await client.post(VERIFY, json={"token": codes[new if asks_new else alice.email]})).status_code == 204
    assert (await here(stored, alice.id))["email"] == new


async def test_a_reset_in_between_goes_to_the_old_address(client: httpx.AsyncClient, alice: Person) -> None:
    await here(ask, alice.id, f"new-{alice.email}")

    def send_reset() -> list[str]:
        mail.outbox = []
        root_client().post(reverse("admin:accounts_user_do", args=[alice.id, "send-reset"]))
        return [address for letter in mail.outbox for address in letter.to]

    assert await here(send_reset) == [alice.email]


async def test_the_last_that_was_asked_for_counts(client: httpx.AsyncClient, alice: Person) -> None:
    first = await here(ask, alice.id, f"first-{alice.email}")
    second = await here(ask, alice.id, f"second-{alice.email}")
    for code in first.values():
        assert (await client.post(VERIFY, json={"token": code})).status_code == 400
    assert (await client.post(VERIFY, json={"token": second[alice.email]})).status_code == 204
    assert (await here(stored, alice.id))["email"] == f"second-{alice.email}"


@pytest.mark.parametrize("obstacle", ["expired", "taken", "inactive", "changed meanwhile"])
async def test_a_code_that_may_not_do_it_any_more_does_nothing(
    client: httpx.AsyncClient, alice: Person, obstacle: str
) -> None:
    new = f"new-{alice.email}"
    codes = await here(ask, alice.id, new)

    def put_in_the_way() -> None:
        if obstacle == "expired":
            EmailChange.objects.filter(user_id=alice.id).update(expires_at="2026-01-01T00:00:00Z")
        elif obstacle == "taken":
            User.objects.create_user(new.upper(), None)
        elif obstacle == "inactive":
            User.objects.filter(pk=alice.id).update(is_active=False)
        else:
            User.objects.filter(pk=alice.id).update(email=f"third-{alice.email}")

    await here(put_in_the_way)
    before = await here(stored, alice.id)
    for code in codes.values():
        assert (await client.post(VERIFY, json={"token": code})).status_code == 400
    assert await here(stored, alice.id) == before


async def test_a_change_that_waits_goes_with_its_account(alice: Person) -> None:
    await here(ask, alice.id, f"new-{alice.email}")
    form = {"password": PASSWORD}
    token = (await alice.http.post("/v1/auth/login", json={"email": alice.email, **form})).json()["token"]
    answer = await alice.http.request("DELETE", "/v1/me", json=form, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    assert not await here(lambda: EmailChange.objects.filter(user_id=alice.id).exists())


def test_one_that_nobody_agreed_to_is_purged() -> None:
    """It holds an address, perhaps of somebody who never had anything to do with us."""
    late, waiting = make_user(), make_user()
    for user in (late, waiting):
        ask(str(user.pk), f"new-{user.email}")
    EmailChange.objects.filter(user=late).update(expires_at="2026-01-01T00:00:00Z")
    call_command("purge", verbosity=0)
    assert [EmailChange.objects.filter(user=user).exists() for user in (late, waiting)] == [False, True]


def test_another_way_to_write_the_same_address_needs_no_proof() -> None:
    user = make_user()
    form = {"email": user.email.upper(), "timezone": "UTC", **seen(user)}
    mail.outbox = []
    page(root_client().post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    assert User.objects.get(pk=user.pk).email == user.email.upper()
    assert mail.outbox == []


def test_what_else_was_changed_is_saved_and_what_waits_is_shown() -> None:
    user = make_user()
    client, new = root_client(), f"new-{user.email}"
    form = {"email": new, "timezone": "Asia/Tokyo", **seen(user)}
    page(client.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    user.refresh_from_db()
    assert user.timezone == "Asia/Tokyo"
    assert new in page(client.get(reverse("admin:accounts_user_change", args=[user.pk])))
    changed = audit.events_for(user).filter(action="change").get()
    assert changed.detail.changes == {"timezone": ["UTC", "Asia/Tokyo"]}


def test_an_address_that_is_taken_is_told_at_once() -> None:
    user, other = make_user(), make_user()
    form = {"email": other.email, "timezone": "UTC", **seen(user)}
    assert "exists" in page(root_client().post(reverse("admin:accounts_user_change", args=[user.pk]), form))
    assert not EmailChange.objects.filter(user=user).exists()


def test_a_session_of_the_admin_ends_with_the_asking() -> None:
    other = make_user("viewer", is_staff=True)
    client = logged_in(other)
    assert client.get("/admin/").status_code == 200
    ask(str(other.pk), f"new-{other.email}")
    assert client.get("/admin/").status_code == 302
