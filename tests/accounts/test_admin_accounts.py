"""People and access tokens in the admin: nobody sees a secret, and nobody gives themselves rights."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.admin.users import PersonForm
from accounts.models import AccessToken, User
from tests.support.staff import (
    act,
    editor,
    logged_in,
    make_task,
    make_token,
    make_user,
    page,
    seen,
)

pytestmark = pytest.mark.usefixtures("orm")


def test_no_page_shows_or_takes_a_password(staff: Client) -> None:
    user = make_user()
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    address = reverse("admin:accounts_user_change", args=[user.pk])
    for text in (
        page(staff.get(address)),
        page(staff.get("/admin/accounts/user/")),
        page(staff.get("/admin/accounts/user/add/")),
    ):
        assert "argon2" not in text
        assert 'name="password' not in text
    staff.post(
        address, {"email": user.email, "timezone": "UTC", "is_active": "on", "password": "mine now", **seen(user)}
    )
    assert User.objects.get(pk=user.pk).password == user.password
    led_to: Any = staff.get(f"/admin/accounts/user/{user.pk}/password/", follow=True)
    assert led_to.redirect_chain[-1] == ("/admin/", 302)  # there is no such page


def test_a_user_added_by_staff_has_no_usable_password(staff: Client) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    page(staff.post("/admin/accounts/user/add/", {"email": email, "timezone": "Europe/Berlin"}, follow=True))
    user = User.objects.get(email=email)
    assert not user.has_usable_password()
    assert (user.timezone, user.is_staff, user.is_active, user.change_no) == ("Europe/Berlin", False, True, 0)


@pytest.mark.parametrize(
    ("email", "zone", "complaint"),
    [
        ("not an address", "UTC", "valid email"),
        ('"a\\ b"@example.com', "UTC", "This is not an e-mail address."),
        ("fine@example.com", "Mars/Olympus", "Not an IANA time zone"),
    ],
)
def test_a_bad_user_is_refused_with_the_reason(staff: Client, email: str, zone: str, complaint: str) -> None:
    assert complaint in page(staff.post("/admin/accounts/user/add/", {"email": email, "timezone": zone}))


def test_an_e_mail_in_another_case_is_a_duplicate(staff: Client) -> None:
    form = {"email": make_user().email.upper(), "timezone": "UTC"}
    assert "A user with this e-mail exists." in page(staff.post("/admin/accounts/user/add/", form))


def test_a_duplicate_that_appears_after_the_check_is_a_message(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # The race: somebody registers between the form's check and its write.
    monkeypatch.setattr(User, "validate_constraints", lambda *_, **__: None)
    monkeypatch.setattr(PersonForm, "clean_email", lambda form: form.cleaned_data["email"])
    form = {"email": make_user().email, "timezone": "UTC"}
    assert "somebody else changed" in page(staff.post("/admin/accounts/user/add/", form, follow=True))


def test_users_are_found_by_part_of_the_e_mail_and_by_id(staff: Client) -> None:
    user, other = make_user(), make_user()
    for search in (user.email[:20], str(user.pk), user.pk.hex):
        text = page(staff.get("/admin/accounts/user/", {"q": search}))
        assert user.email in text
        assert other.email not in text


def test_a_user_links_to_their_tasks_and_tokens(staff: Client) -> None:
    user, other = make_user(), make_user()
    titles = [make_task(owner, uuid.uuid4().hex).title for owner in (user, other)]
    names = [make_token(owner, name=uuid.uuid4().hex).name for owner in (user, other)]
    text = page(staff.get(reverse("admin:accounts_user_change", args=[user.pk])))
    for model, mine, theirs in (("tasks/task", *titles), ("accounts/accesstoken", *names)):
        listed = page(staff.get(f"/admin/{model}/?user__id__exact={user.pk}"))
        assert f"/admin/{model}/?user__id__exact={user.pk}" in text
        assert mine in listed
        assert theirs not in listed


def test_saving_a_user_leaves_the_change_number_to_the_trigger(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    full_clean = User.full_clean

    def task_in_between(self: User, *arguments: Any, **options: Any) -> None:
        full_clean(self, *arguments, **options)
        make_task(user)  # the form has read the row already, with the old number in it

    monkeypatch.setattr(User, "full_clean", task_in_between)
    staff.post(
        reverse("admin:accounts_user_change", args=[user.pk]),
        {"email": user.email, "timezone": "Asia/Tokyo", "is_active": "on", **seen(user)},
    )
    user.refresh_from_db()
    assert (user.timezone, user.change_no) == ("Asia/Tokyo", 1)


def test_nobody_deletes_a_user(staff: Client) -> None:
    user = make_user()
    assert staff.post(reverse("admin:accounts_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_an_editor_of_users_gives_nobody_rights() -> None:
    client, user = editor("view_user", "change_user"), make_user()
    address = reverse("admin:accounts_user_change", args=[user.pk])
    page(
        client.post(
            address,
            {
                "email": user.email,
                "timezone": "Asia/Tokyo",
                "is_active": "on",
                "is_staff": "on",
                "is_superuser": "on",
                **seen(user),
            },
            follow=True,
        )
    )
    user.refresh_from_db()
    assert (user.timezone, user.is_staff, user.is_superuser) == ("Asia/Tokyo", False, False)


def test_an_editor_of_users_cannot_change_staff() -> None:
    client, boss = editor("view_user", "change_user"), make_user("boss", is_staff=True, is_superuser=True)
    form = {"email": "evil@example.com", "timezone": "UTC"}
    assert client.post(reverse("admin:accounts_user_change", args=[boss.pk]), form).status_code == 403


def test_a_superuser_cannot_lock_themselves_out() -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    logged_in(root).post(
        reverse("admin:accounts_user_change", args=[root.pk]), {"email": root.email, "timezone": "UTC", **seen(root)}
    )
    root.refresh_from_db()
    assert (root.is_active, root.is_staff, root.is_superuser) == (True, True, True)


def test_a_token_is_shown_without_its_digest(staff: Client) -> None:
    token = make_token(make_user())
    for address in (reverse("admin:accounts_accesstoken_change", args=[token.pk]), "/admin/accounts/accesstoken/"):
        text = page(staff.get(address))
        assert "digest" not in text
        assert bytes(token.digest).hex() not in text


def test_a_token_is_neither_added_nor_changed_nor_deleted(staff: Client) -> None:
    token = make_token(make_user())
    assert staff.get("/admin/accounts/accesstoken/add/").status_code == 403
    for view in ("change", "delete"):
        address = reverse(f"admin:accounts_accesstoken_{view}", args=[token.pk])
        assert staff.post(address, {"post": "yes", "name": "mine"}).status_code == 403


def test_the_state_of_a_token_is_told(staff: Client) -> None:
    user, past = make_user(), timezone.now() - timedelta(days=1)
    states = {
        "live": make_token(user),
        "expired": make_token(user, expires_at=past),
        "revoked": make_token(user, revoked_at=past),
        "owner inactive": make_token(make_user(is_active=False)),
    }
    for state, token in states.items():
        text = page(staff.get("/admin/accounts/accesstoken/", {"q": str(token.pk)}))
        assert re.search(rf"bg-\w+-100[^>]*>\s*{state}\s*<", text)


def test_revoking_needs_the_right_to_change() -> None:
    token = make_token(make_user())
    act(editor("view_accesstoken"), "accounts_accesstoken", "revoke", token)
    assert AccessToken.objects.get(pk=token.pk).revoked_at is None
    assert "1 access token revoked." in act(
        editor("view_accesstoken", "change_accesstoken"), "accounts_accesstoken", "revoke", token
    )
    assert AccessToken.objects.get(pk=token.pk).revoked_at is not None
