"""A password that staff, a command or a shell sets ends all that the one before has let in."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.management.commands import changepassword
from django.urls import reverse

from accounts.models import EmailLink, User
from accounts.passwords import BoundedArgon2PasswordHasher
from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.staff import in_thread, logged_in, make_token, make_user

pytestmark = pytest.mark.usefixtures("orm")

NEW = "a new and better password"


def by_command(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda **_: NEW)
    changepassword.Command().execute(username=user.email, database="default", no_color=True, force_color=False)


def by_shell(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.set_password(NEW)
    user.save(update_fields=["password"])


@pytest.mark.parametrize("change", [by_command, by_shell])
async def test_password_set_by_others_ends_tokens_sessions_and_codes(
    client: httpx.AsyncClient,
    alice: Person,
    bob: Person,
    change: Callable[[User, pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    personal = await alice.token_for("tasks:read")
    await client.post("/v1/auth/password-reset", json={"email": alice.email.upper()})
    code = await mails.code(alice.email)

    def set_it() -> tuple[bool, int]:
        user = User.objects.get(pk=alice.id)
        before = user.get_session_auth_hash(), user.sessions_ended_at
        change(user, monkeypatch)
        now = User.objects.get(pk=alice.id)
        assert user.sessions_ended_at in (now.sessions_ended_at, before[1])
        left = EmailLink.objects.filter(email__iexact=alice.email).count()
        return now.get_session_auth_hash() != before[0] and now.sessions_ended_at != before[1], left

    assert await asyncio.to_thread(in_thread, set_it) == (True, 0)

    assert (await alice.http.get("/v1/me")).status_code == 401
    assert (await client.get("/v1/tasks", headers=personal)).status_code == 401
    confirmation = {"token": code, "password": "the third password"}
    assert (await client.post("/v1/auth/password-reset/confirm", json=confirmation)).status_code == 400
    login = {"email": alice.email, "password": NEW}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 201
    assert (await bob.http.get("/v1/me")).status_code == 200


def test_other_changes_and_renewed_hashes_end_nothing() -> None:
    user = make_user(is_staff=True)
    token = make_token(user)
    weaker = BoundedArgon2PasswordHasher()
    weaker.time_cost = 1
    User.objects.filter(pk=user.pk).update(password=weaker.encode(PASSWORD, weaker.salt()))
    user.refresh_from_db()

    assert user.check_password(PASSWORD)  # and hashes it anew, as the settings say
    user.timezone = "Europe/Berlin"
    user.save()

    user.refresh_from_db()
    token.refresh_from_db()
    assert ",t=2," in user.password
    assert (token.revoked_at, user.sessions_ended_at) == (None, None)


def test_own_change_in_the_admin_ends_other_sessions_and_leaves_personal_tokens() -> None:
    user = make_user(is_staff=True, is_superuser=True)
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD))
    user.refresh_from_db()
    token = make_token(user)
    here, elsewhere = logged_in(user), logged_in(user)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    assert here.post(reverse("admin:password_change"), form).status_code == 302

    token.refresh_from_db()
    assert token.revoked_at is None
    assert here.get(reverse("admin:index")).status_code == 200
    assert elsewhere.get(reverse("admin:index")).status_code == 302
