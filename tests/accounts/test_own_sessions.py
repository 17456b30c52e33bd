"""“My account” shows each session of one's own, in the admin and in apps, and ends one of them alone."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import AccessToken, AuditEvent, User
from accounts.staff import session_limits
from tests.support.staff import logged_in, make_token, make_user, page

pytestmark = pytest.mark.usefixtures("orm")

ACCOUNT = "/admin/account/"


def browsers(user: User, count: int) -> list[Client]:
    return [logged_in(User.objects.get(pk=user.pk)) for _ in range(count)]


def shown(browser: Client) -> tuple[str, list[str]]:
    """Return the table of sessions, and the names by which its buttons end them."""
    table = page(browser.get(ACCOUNT)).split('id="sessions"')[1].split("</table>")[0]
    return table, re.findall(r'name="session" value="([^"]+)"', table)


def login(user: User) -> AccessToken:
    return make_token(user, kind=AccessToken.Kind.SESSION, expires_at=timezone.now() + timedelta(days=1))


def is_in(browser: Client) -> bool:
    return browser.get(ACCOUNT).status_code == 200


def test_each_is_shown_and_ends_alone() -> None:
    user = make_user("staff", is_staff=True)
    here, there, elsewhere = browsers(user, 3)
    phone, tablet = login(user), login(user)
    table, names = shown(here)
    assert table.count("This browser") == 1
    assert table.count("in another browser") == 2
    assert table.count("An app") == 2
    assert len(names) == 4  # the one at hand is left by logging out

    for name in [str(phone.pk), *(name for name in names if name not in (str(phone.pk), str(tablet.pk)))]:
        assert "That session has ended" in page(here.post(ACCOUNT, {"do": "end", "session": name}, follow=True))

    assert [is_in(browser) for browser in (here, there, elsewhere)] == [True, False, False]
    phone.refresh_from_db(), tablet.refresh_from_db()
    assert (phone.revoked_at is None, tablet.revoked_at is None) == (False, True)
    assert shown(here)[1] == [str(tablet.pk)]
    facts = AuditEvent.objects.filter(actor_id=user.pk, action="end sessions").values_list("facts", flat=True)
    assert sorted(map(str, facts)) == ["{'sessions': 1}", "{'sessions': 1}", "{'tokens': 1}"]


def test_a_name_opens_nothing_and_ends_nobody_elses_nor_the_one_at_hand() -> None:
    user, other = make_user("staff", is_staff=True), make_user("staff", is_staff=True)
    (here, there), (others,) = browsers(user, 2), browsers(other, 1)
    other_browser, other_login = browsers(other, 1)[0], login(other)
    personal = make_token(user)
    names = [*shown(others)[1], str(other_login.pk), str(personal.pk), "nonsense", ""]
    assert not Session.objects.filter(pk__in=[*names, *shown(here)[1]]).exists()

    for name in names:
        assert "had ended already" in page(here.post(ACCOUNT, {"do": "end", "session": name}, follow=True))

    assert all(map(is_in, (here, there, others, other_browser)))
    for token in (other_login, personal):
        token.refresh_from_db()
        assert token.revoked_at is None


def test_what_would_not_be_let_in_is_not_shown() -> None:
    user = make_user("staff", is_staff=True)
    idle, changed, here = browsers(user, 3)
    session = idle.session
    session["seen_at"] -= 100_000
    session.save()
    session = changed.session
    session["_auth_user_hash"] = "of the password before"
    session.save()
    make_token(user, kind=AccessToken.Kind.SESSION, expires_at=timezone.now() - timedelta(days=1))

    assert shown(here)[1] == []


def test_where_a_session_was_begun_is_told() -> None:
    user = make_user("staff", is_staff=True)
    here, there = browsers(user, 2)
    session = there.session
    session_limits.begin(session, "192.0.2.7")
    session.save()
    assert "192.0.2.7" in shown(here)[0]
