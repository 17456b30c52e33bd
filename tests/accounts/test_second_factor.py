"""The admin's door: password, code, limits, and how long a session lasts."""

import hashlib
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse

from accounts import audit
from accounts.models import AuditEvent, SecondFactor, User
from accounts.staff import second_factor
from tests.support.postgres.databases import connect
from tests.support.staff import in_thread, logged_in, make_user, page, root_client

pytestmark = pytest.mark.usefixtures("orm")

PASSWORD = "correct horse battery staple"
CODE = "/admin/second-factor/"
SET_UP = "/admin/second-factor/set-up/"


def make_staff(**fields: Any) -> User:
    user = make_user("staff", is_staff=True, **fields)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def with_factor(user: User) -> tuple[bytes, list[str]]:
    """Give somebody an authenticator; return its secret and the recovery codes."""
    secret = second_factor.new_secret()
    return secret, list(second_factor.set_up(user, secret, 0) or ())


def code_of(secret: bytes, seconds_ago: int = 0) -> str:
    return second_factor.code_at(secret, int(time.time()) - seconds_ago)


def enter(client: Client, user: User, password: str = PASSWORD) -> Any:
    return client.post("/admin/login/?next=/admin/tasks/task/", {"username": user.email, "password": password})


def is_in(client: Client) -> bool:
    return client.get("/admin/password_change/").status_code == 200


def test_a_password_alone_opens_nothing_for_whoever_has_a_second_factor() -> None:
    user, client = make_staff(), Client()
    secret, _ = with_factor(user)
    answer = enter(client, user)
    assert answer["Location"] == CODE
    assert not is_in(client)
    assert "wrong" in page(client.post(CODE, {"code": "000000"}))
    assert not is_in(client)
    answer = client.post(CODE, {"code": code_of(secret)})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/tasks/task/")
    assert is_in(client)
    assert [(event.action, event.facts) for event in audit.events_for(user)] == [
        ("sign-in", {"factor": "app"}),
        ("sign-in failed", {}),
    ]


def test_a_code_counts_once() -> None:
    user = make_staff()
    secret, _ = with_factor(user)
    code = code_of(secret)
    assert second_factor.accept(user, code) == "app"
    assert second_factor.accept(user, code) is None


@pytest.mark.parametrize(("seconds_ago", "kind"), [(30, "app"), (-30, "app"), (90, None), (-90, None)])
def test_a_code_of_a_neighbouring_step_counts(seconds_ago: int, kind: str | None) -> None:
    user = make_staff()
    secret, _ = with_factor(user)
    assert second_factor.accept(user, code_of(secret, seconds_ago)) == kind


def test_an_older_code_does_not_count_after_a_newer() -> None:
    user = make_staff()
    secret, _ = with_factor(user)
    assert second_factor.accept(user, code_of(secret)) == "app"
    assert second_factor.accept(user, code_of(secret, 30)) is None


def test_the_code_is_the_one_of_the_standard() -> None:
    # RFC 6238, appendix B: at 59 s the eight digits are 94287082; six are the last six of them.
    assert second_factor.code_at(b"12345678901234567890", 59) == "287082"


def test_a_recovery_code_counts_once_however_it_is_written() -> None:
    user = make_staff()
    _, codes = with_factor(user)
    assert len(set(codes)) == 10
    assert second_factor.accept(user, f" {codes[3].lower().replace('-', ' ')} ") == "recovery"
    assert second_factor.accept(user, codes[3]) is None
    assert len(SecondFactor.objects.get(user=user).recovery_codes) == 9


def test_a_copy_of_the_database_tells_no_recovery_code_and_old_ones_still_count() -> None:
    user = make_user(is_staff=True)
    _, codes = with_factor(user)
    plain = [hashlib.sha256(code.replace("-", "").encode()).digest() for code in codes]
    kept = {bytes(digest) for digest in SecondFactor.objects.get(user=user).recovery_codes}
    assert len(kept) == 10
    assert kept.isdisjoint(plain)
    SecondFactor.objects.filter(user=user).update(recovery_codes=plain)

    assert [second_factor.accept(user, codes[0]) for _ in range(2)] == ["recovery", None]
    assert len(SecondFactor.objects.get(user=user).recovery_codes) == 9


@pytest.mark.parametrize("code", ["", " ", "१२३४५६", "1" * 20, "12345\x00", "'; DROP"])
def test_nonsense_is_no_code(code: str) -> None:
    user, client = make_staff(), Client()
    with_factor(user)
    enter(client, user)
    assert client.post(CODE, {"code": code}).status_code == 200
    assert not is_in(client)


def test_secrets_and_codes_are_not_in_the_database() -> None:
    user = make_staff()
    secret, codes = with_factor(user)
    with connect() as database:
        row = database.execute("SELECT t::text, secret FROM second_factors t WHERE user_id = %s", [user.pk]).fetchone()
    assert row is not None
    assert secret not in bytes(row[1])
    assert secret.hex() not in row[0]
    assert codes[0].replace("-", "").encode().hex() not in row[0]


@override_settings(ADMIN_SECOND_FACTOR="required")
def test_where_it_is_required_it_is_set_up_before_anything_else() -> None:
    user, client = make_staff(is_superuser=True), Client()
    enter(client, user)
    assert not is_in(client)
    assert client.get("/admin/login/")["Location"] == SET_UP
    text = page(client.get(SET_UP))
    secret = second_factor.unseal(client.session["second_factor_secret"])
    assert secret is not None
    assert second_factor.spelled(secret) in text
    assert "<svg" in text
    assert "not the code" in page(client.post(SET_UP, {"code": "000000"}))
    assert not SecondFactor.objects.filter(user=user).exists()
    text = page(client.post(SET_UP, {"code": code_of(secret)}))
    assert len(re.findall(r"<code>\w{5}-\w{5}</code>", text)) == 10
    assert is_in(client)
    assert second_factor.spelled(secret) not in page(client.get(SET_UP))


def test_of_two_who_set_it_up_at_once_the_second_is_told() -> None:
    user = make_staff()
    client = logged_in(user)
    client.get(SET_UP)
    secret = second_factor.unseal(client.session["second_factor_secret"])
    assert secret is not None
    quicker = second_factor.seal(second_factor.new_secret()).encode()
    insert = (
        "INSERT INTO second_factors (id, user_id, secret, recovery_codes, last_step)"
        " VALUES (gen_random_uuid(), %s, %s, '{}', 0)"
    )
    with connect() as other, ThreadPoolExecutor(1) as threads:
        other.execute(insert, [user.pk, quicker])  # and has not committed yet
        setting_up = threads.submit(in_thread, client.post, SET_UP, {"code": code_of(secret)})
        wait_for_locks(other, 1)
        other.commit()
        assert "meanwhile" in page(setting_up.result(10))
    assert bytes(SecondFactor.objects.get(user=user).secret) == quicker
    assert not AuditEvent.objects.filter(object_id=str(user.pk), action="set up second factor").exists()


@override_settings(ADMIN_SECOND_FACTOR="required")
def test_where_it_is_required_no_session_gets_by_without() -> None:
    client = root_client()
    for address in ("/admin/", "/admin/tasks/task/", reverse("admin:accounts_user_do", args=[make_user().pk, "erase"])):
        assert client.get(address).status_code == 302


def test_the_set_up_is_for_staff_who_are_signed_in() -> None:
    assert Client().get(SET_UP)["Location"] == "/admin/login/"
    assert logged_in(make_user()).get(SET_UP)["Location"] == "/admin/login/"
    user, client = make_staff(), Client()
    with_factor(user)
    enter(client, user)  # half way in
    assert client.get(SET_UP)["Location"] == "/admin/login/"


def test_without_the_first_step_there_is_no_second() -> None:
    assert Client().get(CODE)["Location"] == "/admin/login/"


def _change_password(user: User) -> None:
    user.set_password("incorrect zebra battery staple")
    user.save(update_fields=["password"])


def _update(**fields: Any) -> Callable[[User], Any]:
    return lambda user: User.objects.filter(pk=user.pk).update(**fields)


@pytest.mark.parametrize(
    "meanwhile",
    [_change_password, _update(is_active=False), _update(is_staff=False), User.delete],
    ids=["another password", "deactivated", "no longer staff", "gone"],
)
def test_what_changes_between_the_steps_begins_them_anew(meanwhile: Callable[[User], Any]) -> None:
    user, client = make_staff(), Client()
    secret, _ = with_factor(user)
    enter(client, user)
    meanwhile(user)
    assert client.post(CODE, {"code": code_of(secret)})["Location"] == "/admin/login/"
    assert not is_in(client)


def test_the_second_step_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    user, client = make_staff(), Client()
    secret, _ = with_factor(user)
    enter(client, user)
    monkeypatch.setattr("accounts.staff.site._CODE_SECONDS", -1)
    assert client.post(CODE, {"code": code_of(secret)})["Location"] == "/admin/login/"


@override_settings(LOGIN_LIMIT=(3, 900))
def test_codes_cannot_be_guessed() -> None:
    user, client = make_staff(), Client(REMOTE_ADDR="192.0.2.77")
    secret, _ = with_factor(user)
    enter(client, user)
    for _ in range(3):
        assert "wrong" in page(client.post(CODE, {"code": "000000"}))
    assert "Too many attempts" in page(client.post(CODE, {"code": code_of(secret)}))
    assert not is_in(client)


@override_settings(LOGIN_LIMIT=(3, 900))
@pytest.mark.parametrize("is_known", [True, False])
def test_passwords_cannot_be_guessed_and_nobody_learns_who_is_known(is_known: bool) -> None:
    user = make_staff() if is_known else User(email=f"nobody-{time.time_ns()}@example.com")
    client = Client(REMOTE_ADDR=f"2001:db8:{int(is_known)}:{time.time_ns() % 0xFFFF:x}::1")
    for _ in range(3):
        assert "correct e-mail and password" in page(enter(client, user, "wrong"))
    text = page(enter(client, user))
    assert "Too many attempts. Try again in" in text
    assert not is_in(client)


@override_settings(LOGIN_LIMIT=(2, 900))
def test_a_lifted_limit_lets_them_try_again() -> None:
    user, client = make_staff(), Client(REMOTE_ADDR="192.0.2.99")
    for _ in range(2):
        enter(client, user, "wrong")
    assert "Too many" in page(enter(client, user))
    page(root_client().post(reverse("admin:accounts_user_do", args=[user.pk, "lift-limit"]), follow=True))
    assert enter(client, user).status_code == 302
    assert is_in(client)


def test_a_reset_second_factor_ends_every_session() -> None:
    user, client = make_staff(), Client()
    secret, _ = with_factor(user)
    enter(client, user)
    client.post(CODE, {"code": code_of(secret)})
    assert is_in(client)
    page(root_client().post(reverse("admin:accounts_user_do", args=[user.pk, "reset-second-factor"]), follow=True))
    assert not SecondFactor.objects.filter(user=user).exists()
    assert not is_in(client)


def test_an_operator_resets_a_second_factor_by_command() -> None:
    user = make_staff()
    with_factor(user)
    call_command("resetsecondfactor", user.email.upper(), verbosity=0)
    assert not SecondFactor.objects.filter(user=user).exists()
    assert [(event.action, event.door) for event in audit.events_for(user)] == [("reset second factor", "command")]


def test_setting_it_up_ends_the_other_sessions() -> None:
    user = make_staff()
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        enter(client, user)
    page(here.get(SET_UP))
    secret = second_factor.unseal(here.session["second_factor_secret"])
    assert secret is not None
    page(here.post(SET_UP, {"code": code_of(secret)}))
    assert is_in(here)
    assert not is_in(elsewhere)


@pytest.mark.parametrize("end", ["deactivated", "demoted", "password", "sessions"])
def test_a_session_ends_with_what_it_stands_on(end: str) -> None:
    user, client = make_staff(), Client()
    enter(client, user)
    assert is_in(client)
    if end == "deactivated":
        page(root_client().post(reverse("admin:accounts_user_do", args=[user.pk, "deactivate"]), follow=True))
        User.objects.filter(pk=user.pk).update(is_active=True)  # and does not come back with the account
    elif end == "demoted":
        User.objects.filter(pk=user.pk).update(is_staff=False)
    elif end == "password":
        user.set_password("incorrect zebra battery staple")
        user.save(update_fields=["password"])
    else:
        User.objects.filter(pk=user.pk).update(sessions_ended_at="2026-01-01T00:00:00Z")
    assert not is_in(client)


@pytest.mark.parametrize(
    ("key", "setting"), [("seen_at", "ADMIN_SESSION_IDLE"), ("started_at", "ADMIN_SESSION_LIFETIME")]
)
def test_a_session_ends_when_its_time_is_up(key: str, setting: str) -> None:
    user, client = make_staff(), Client()
    enter(client, user)
    assert is_in(client)
    session = client.session
    session[key] = int(time.time()) - 61
    session.save()
    assert is_in(client)
    session = client.session
    session[key] = int(time.time()) - 61
    session.save()
    with override_settings(**{setting: 60}):
        assert not is_in(client)
        assert not is_in(client)
    last = audit.events_for(user).first()
    assert last is not None
    assert (last.action, last.facts) == ("sign-out", {"reason": "time is up"})


def test_using_a_session_keeps_it_alive() -> None:
    user, client = make_staff(), Client()
    enter(client, user)
    session = client.session
    session["seen_at"] = int(time.time()) - 100
    session.save()
    assert is_in(client)
    assert client.session["seen_at"] >= int(time.time()) - 5


def test_the_cookies_are_kept_from_scripts_and_other_sites() -> None:
    user, client = make_staff(), Client()
    client.get("/admin/login/")
    answer = enter(client, user)
    for name in ("sessionid", "csrftoken"):
        morsel = answer.cookies.get(name) or client.cookies[name]
        assert morsel["httponly"] is True
        assert morsel["samesite"] == "Lax"
    assert answer.cookies["sessionid"]["path"] == "/admin/"


def test_what_a_page_tells_of_people_is_in_no_cookie() -> None:
    other = make_user()
    client = root_client()
    client.post(f"/admin/accounts/user/{other.pk}/do/deactivate/")
    assert client.cookies.keys() <= {"sessionid", "csrftoken"}
    assert "was deactivated" in page(client.get(f"/admin/accounts/user/{other.pk}/change/"))


def test_an_address_elsewhere_is_no_place_to_go_after_login() -> None:
    user, client = make_staff(), Client()
    answer = client.post("/admin/login/?next=https://evil.example/", {"username": user.email, "password": PASSWORD})
    assert answer["Location"] == "/admin/"


@override_settings(LOGIN_LIMIT=None)
def test_ten_wrong_codes_in_a_row_lock_and_are_told_once() -> None:
    user, client = make_staff(), Client()
    secret, _ = with_factor(user)
    enter(client, user)
    mail.outbox = []
    for _ in range(9):
        assert "wrong" in page(client.post(CODE, {"code": "000000"}))
    assert mail.outbox == []
    for _ in range(3):
        page(client.post(CODE, {"code": "000000"}))
    assert "Locked" in page(client.post(CODE, {"code": code_of(secret)}))
    assert not is_in(client)
    assert [letter.to for letter in mail.outbox] == [[user.email]]
    assert [event.action for event in audit.events_for(user)].count("lock second factor") == 1


@override_settings(LOGIN_LIMIT=None)
@pytest.mark.parametrize("way", ["password", "lift-limit", "reset-second-factor"])
def test_a_locked_second_factor_is_opened_again(way: str) -> None:
    user, client = make_staff(), Client()
    secret, codes = with_factor(user)
    enter(client, user)
    for _ in range(11):
        page(client.post(CODE, {"code": "000000"}))
    assert "Locked" in page(client.post(CODE, {"code": codes[0]}))
    new = "incorrect zebra battery staple" if way == "password" else PASSWORD
    if way == "password":
        user.set_password(new)
        user.save(update_fields=["password"])
    else:
        page(root_client().post(reverse("admin:accounts_user_do", args=[user.pk, way]), follow=True))
    client = Client()
    enter(client, user, new)
    if way != "reset-second-factor":
        client.post(CODE, {"code": code_of(secret)})
    assert is_in(client)


@override_settings(LOGIN_LIMIT=None)
def test_a_right_code_forgets_the_wrong_ones() -> None:
    user, client = make_staff(), Client()
    _, codes = with_factor(user)
    for code in codes[:3]:
        enter(client, user)
        for _ in range(9):
            assert "wrong" in page(client.post(CODE, {"code": "000000"}))
        assert client.post(CODE, {"code": code}).status_code == 302
        client = Client()


def test_of_two_tries_at_once_the_eleventh_is_none() -> None:
    user = make_staff()
    with_factor(user)
    assert [second_factor.count_try(user) for _ in range(9)] == list(range(1, 10))
    with connect() as other, ThreadPoolExecutor(2) as threads:
        other.execute("SELECT FROM second_factors WHERE user_id = %s FOR UPDATE", [user.pk])
        tries = [threads.submit(in_thread, second_factor.count_try, user) for _ in range(2)]
        wait_for_locks(other, 2)
        other.rollback()
        assert sorted(str(one.result(10)) for one in tries) == ["10", "None"]


def wait_for_locks(database: Any, count: int) -> None:
    """Wait until so many wait for rows."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%second_factors%%'"
    for _ in range(200):
        with connect(autocommit=True) as watching:
            row = watching.execute(query).fetchone()
        if row is not None and row[0] >= count:
            return
        time.sleep(0.05)
    pytest.fail("nobody waits")


@pytest.mark.parametrize("address", [CODE, SET_UP, "/admin/login/"])
def test_no_page_with_a_secret_is_kept_by_a_browser(address: str) -> None:
    client = logged_in(make_staff())
    if address == CODE:
        user, client = make_staff(), Client()
        with_factor(user)
        enter(client, user)
    answers = [client.get(address)]
    if address == SET_UP:
        secret = second_factor.unseal(client.session["second_factor_secret"])
        assert secret is not None
        answers.append(client.post(address, {"code": code_of(secret)}))  # the recovery codes
        assert "recovery-codes" in page(answers[-1])
    for answer in answers:
        kept = answer.headers["Cache-Control"]
        assert "no-store" in kept
        assert "private" in kept


def test_what_staff_change_about_themselves_is_recorded_once() -> None:
    user = make_staff()
    client = logged_in(user)
    new = "incorrect zebra battery staple"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", {**form, "old_password": "wrong"}).status_code == 200
    assert client.post("/admin/password_change/", form).status_code == 302
    client.get(SET_UP)
    secret = second_factor.unseal(client.session["second_factor_secret"])
    assert secret is not None
    page(client.post(SET_UP, {"code": code_of(secret)}))
    events = [(event.action, event.actor_id) for event in audit.events_for(user).order_by("id")]
    assert events == [("change password", user.pk), ("set up second factor", user.pk)]
