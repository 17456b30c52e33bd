"""“My account”: staff look after their own password, second factor, recovery codes and sessions."""

import base64
import html
import re
import time

import pytest
from django.test import Client, override_settings

from accounts.models import AccessToken, AuditEvent, SecondFactor, User
from accounts.staff import second_factor
from tests.support.staff import logged_in, make_token, make_user, page

pytestmark = pytest.mark.usefixtures("orm")

ACCOUNT, SET_UP = "/admin/account/", "/admin/second-factor/set-up/"


def make_member() -> tuple[User, Client, bytes, list[str]]:
    """Make a staff member who is signed in; return them, their browser, their app's secret, and their codes."""
    user = make_user("staff", is_staff=True)
    secret = second_factor.new_secret()
    codes = list(second_factor.set_up(user, secret, 0) or ())
    return user, logged_in(User.objects.get(pk=user.pk)), secret, codes


def code_of(secret: bytes) -> str:
    return second_factor.code_at(secret, int(time.time()))


def opens(browser: Client) -> bool:
    return browser.get(ACCOUNT).status_code == 200


def test_the_page_is_linked_and_for_staff_only() -> None:
    _, browser, _, _ = make_member()
    text = page(browser.get(ACCOUNT))

    assert "10 recovery codes left" in text
    assert f'href="{ACCOUNT}"' in page(browser.get("/admin/"))
    assert Client().get(ACCOUNT).status_code == 302


def test_new_codes_take_a_code_and_end_the_old_ones() -> None:
    user, browser, secret, old = make_member()

    assert "wrong" in page(browser.post(ACCOUNT, {"do": "codes", "code": "000000"}))
    text = page(browser.post(ACCOUNT, {"do": "codes", "code": code_of(secret)}))

    new = re.findall(r"<code>(\w{5}-\w{5})</code>", text)
    assert len(new) == 10
    assert second_factor.accept(user, old[0]) is None
    assert second_factor.accept(user, new[0]) == "recovery"
    assert AuditEvent.objects.filter(actor_id=user.pk, action="renew recovery codes").count() == 1


def test_another_phone_takes_a_code_of_the_first_and_one_of_the_second() -> None:
    user, browser, secret, codes = make_member()
    elsewhere = logged_in(User.objects.get(pk=user.pk))
    assert "Scan this" not in page(browser.get(SET_UP))

    assert browser.post(ACCOUNT, {"do": "replace", "code": codes[0]})["Location"] == SET_UP
    text = html.unescape(page(browser.get(SET_UP)))
    spelled = re.search(r'<code class="break-words">([A-Z2-7 ]+)</code>', text)
    assert spelled is not None
    new = base64.b32decode(spelled[1].replace(" ", ""))
    assert second_factor.accept(user, code_of(secret)) == "app"  # the first works until the second has shown a code

    done = page(browser.post(SET_UP, {"code": code_of(new)}))

    assert "recovery codes" in done
    assert opens(browser)
    assert not opens(elsewhere)
    assert SecondFactor.objects.filter(user=user).count() == 1
    assert second_factor.unseal(bytes(SecondFactor.objects.get(user=user).secret).decode()) == new
    assert "Scan this" not in page(browser.get(SET_UP))  # not a third one with the same code


@pytest.mark.parametrize(("setting", "is_left"), [("optional", False), ("required", True)])
def test_it_is_turned_off_where_none_is_required(setting: str, is_left: bool) -> None:
    user, browser, secret, _ = make_member()

    with override_settings(ADMIN_SECOND_FACTOR=setting):
        assert ("Turn it off" in page(browser.get(ACCOUNT))) == (not is_left)
        browser.post(ACCOUNT, {"do": "off", "code": code_of(secret)})
        assert opens(browser)

    assert SecondFactor.objects.filter(user=user).exists() == is_left


def test_all_other_sessions_end_and_personal_tokens_do_not() -> None:
    user, browser, _, _ = make_member()
    elsewhere = logged_in(User.objects.get(pk=user.pk))
    login = make_token(user, kind=AccessToken.Kind.SESSION)
    script = make_token(user)

    assert "have ended" in page(browser.post(ACCOUNT, {"do": "sessions"}, follow=True))

    assert opens(browser)
    assert not opens(elsewhere)
    for token, is_live in ((login, False), (script, True)):
        token.refresh_from_db()
        assert (token.revoked_at is None) == is_live


@pytest.mark.parametrize("what", ["", "nonsense", "codes"])
def test_nothing_is_done_without_a_code(what: str) -> None:
    user, browser, _, _ = make_member()
    before = SecondFactor.objects.values().get(user=user)

    assert browser.post(ACCOUNT, {"do": what}).status_code == 200

    after = SecondFactor.objects.values().get(user=user)
    assert {**after, "secret": bytes(after["secret"])} == {**before, "secret": bytes(before["secret"])}


def test_who_has_no_second_factor_is_led_to_it() -> None:
    browser = logged_in(make_user("staff", is_staff=True))
    text = page(browser.get(ACCOUNT))

    assert f'href="{SET_UP}"' in text
    assert "recovery code" not in text
    assert browser.post(ACCOUNT, {"do": "codes", "code": "123456"}).status_code == 200
