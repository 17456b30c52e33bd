"""A password that staff or an operator change ends what the old one has opened, whichever way it is changed."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.management.commands import changepassword
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import audit
from accounts.models import AccessToken, EmailChange, EmailLink, User
from tests.support.staff import logged_in, make_token, make_user

pytestmark = pytest.mark.usefixtures("orm")

OLD, NEW = "correct horse battery staple", "incorrect zebra battery staple"


def by_page(user: User, here: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}
    assert here.post("/admin/password_change/", form).status_code == 302


def by_command(user: User, here: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *_: NEW)  # what would be typed
    call_command("changepassword", user.email.upper(), verbosity=0)


def somebody() -> tuple[User, Client, Client]:
    """Return a member of staff with everything that a password opens, and two sessions of theirs."""
    user = make_user("staff", is_staff=True, is_superuser=True)
    user.set_password(OLD)
    user.save(update_fields=["password"])
    make_token(user), make_token(user, kind="session")
    soon = timezone.now() + timedelta(hours=1)
    EmailLink.objects.create(purpose="reset", email=user.email.upper(), digest=os.urandom(32), expires_at=soon)
    digests = {"old_digest": os.urandom(32), "new_digest": os.urandom(32)}
    EmailChange.objects.create(user=user, email="x@example.com", replaces=user.email, expires_at=soon, **digests)
    return user, logged_in(user), logged_in(user)


@pytest.mark.parametrize("change", [by_page, by_command])
def test_a_new_password_ends_tokens_codes_and_sessions(
    change: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, here, elsewhere = somebody()
    bystander = make_token(make_user())
    change(user, here, monkeypatch)
    user.refresh_from_db()
    assert user.check_password(NEW)
    # One's own change leaves the tokens that one has made; an operator's ends all.
    left = AccessToken.objects.filter(user=user, revoked_at=None)
    assert [token.kind for token in left] == (["personal"] if change is by_page else [])
    assert not EmailLink.objects.filter(email__iexact=user.email).exists()
    assert not EmailChange.objects.filter(user=user).exists()
    assert elsewhere.get("/admin/").status_code == 302
    assert (here.get("/admin/").status_code == 200) == (change is by_page)
    bystander.refresh_from_db()
    assert bystander.revoked_at is None
    (event,) = audit.events_for(user).filter(action="change password")
    assert event.facts == {"tokens": 1 if change is by_page else 2}


def test_a_password_that_is_refused_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    token = make_token(user)
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *_: "short")
    with pytest.raises(CommandError):
        call_command("changepassword", user.email, verbosity=0)
    with pytest.raises(CommandError):
        call_command("changepassword", "nobody@example.com", verbosity=0)
    token.refresh_from_db()
    assert token.revoked_at is None


def test_whoever_has_a_new_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    user, here, _ = somebody()
    mail.outbox = []
    by_page(user, here, monkeypatch)
    assert [(letter.to, bool(re.search("password", letter.body))) for letter in mail.outbox] == [([user.email], True)]
    held: Any = EmailLink.objects.filter(email__iexact=user.email)
    assert not held.exists()


@pytest.fixture
def _nobody_has_tried() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM attempt_buckets")


@pytest.mark.usefixtures("_nobody_has_tried")
def test_a_stolen_session_does_not_find_out_the_password(settings: Settings) -> None:
    """The page took as many guesses as one had; the API's limit counts the same account's."""
    settings.LOGIN_LIMIT = (2, 900)
    user, here, elsewhere = somebody()
    guess = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    assert [here.post("/admin/password_change/", guess).status_code for _ in range(2)] == [200, 200]
    for client in (here, elsewhere):
        answer = client.post("/admin/password_change/", {**guess, "old_password": OLD}, follow=True)
        assert "Too many attempts" in answer.content.decode()
    user.refresh_from_db()
    assert user.check_password(OLD)
