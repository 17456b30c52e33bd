"""Another SECRET_KEY, by the incident page: nobody is locked out, whatever was encrypted under the one before."""

import io
import time
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts.models import SecondFactor, User
from accounts.staff import second_factor
from tasks import webhook_secrets
from tasks.models import Webhook
from tests.support.people import Person
from tests.support.staff import make_user, page

PASSWORD = "correct horse battery staple"
NEW, NEWEST = "another secret of at least thirty-two characters", "yet another one of at least thirty-two characters"


@pytest.fixture
def staff_member(orm: None) -> User:
    SecondFactor.objects.all().delete()  # those of other tests are under the tests' key, too, but need not be counted
    Webhook.objects.all().delete()  # likewise
    user = make_user("staff", is_staff=True)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def sign_in(user: User, code: str) -> str:
    """Return where the right password and a code lead to, or the page."""
    client = Client()
    client.post("/admin/login/?next=/admin/", {"username": user.email, "password": PASSWORD})
    answer = client.post("/admin/second-factor/", {"code": code})
    return answer["Location"] if answer.status_code == 302 else page(answer)


def change_key(settings: Settings, key: str, *before: str) -> None:
    settings.SECRET_KEY_FALLBACKS = list(before)
    settings.SECRET_KEY = key


def reencrypt(**options: int) -> str:
    told = io.StringIO()
    call_command("reencrypt", stdout=told, **options)
    return told.getvalue()


def test_app_and_recovery_codes_work_before_and_after_reencrypting(staff_member: User, settings: Settings) -> None:
    secret = second_factor.new_secret()
    first, second, third, *_ = second_factor.set_up(staff_member, secret, 0) or ()
    old = settings.SECRET_KEY

    change_key(settings, NEW, old)
    assert sign_in(staff_member, second_factor.code_at(secret, int(time.time()))) == "/admin/"
    assert sign_in(staff_member, first) == "/admin/"

    assert "1 encrypted anew, 0 were already" in reencrypt()
    assert "0 encrypted anew, 1 were already" in reencrypt()
    change_key(settings, NEW)
    assert sign_in(staff_member, second) == "/admin/"

    change_key(settings, NEWEST, NEW)
    assert "1 encrypted anew" in reencrypt()
    change_key(settings, NEWEST)
    assert sign_in(staff_member, third) == "/admin/"


def test_a_key_that_is_gone_is_told_and_not_called_a_wrong_code(
    staff_member: User, settings: Settings, lines: Any
) -> None:
    secret = second_factor.new_secret()
    second_factor.set_up(staff_member, secret, 0)

    change_key(settings, NEW)

    text = sign_in(staff_member, second_factor.code_at(secret, int(time.time())))
    assert "can no longer read your second factor" in text
    assert "This code is wrong" not in text
    (told,) = [line for line in lines.read() if line["level"] == "ERROR"]  # whoever runs the server learns it, too
    assert (told["event"], "reencrypt" in told["reason"]) == ("second factor unreadable", True)
    with pytest.raises(CommandError, match=staff_member.email):
        reencrypt()
    assert second_factor.unseal(bytes(SecondFactor.objects.get(user=staff_member).secret).decode()) is None


def test_webhooks_sign_with_the_same_secrets_under_the_next_key(staff_member: User, settings: Settings) -> None:
    secrets = {"secret": b"s" * 32, "old_secret": b"o" * 32}
    sealed = {name: webhook_secrets.seal(secret) for name, secret in secrets.items()}
    hook = Webhook.objects.create(user=staff_member, url="https://hooks.example.com/", events=["task.*"], **sealed)
    old = settings.SECRET_KEY

    change_key(settings, NEW, old)
    assert "Webhooks: 1 encrypted anew, 0 were already" in reencrypt()
    assert "Webhooks: 0 encrypted anew, 1 were already" in reencrypt()
    change_key(settings, NEW)
    hook.refresh_from_db()
    assert {name: webhook_secrets.unseal(bytes(getattr(hook, name))) for name in secrets} == secrets
    assert hook.version == 1  # nothing that its owner would notice

    change_key(settings, NEWEST)
    with pytest.raises(CommandError, match=str(hook.pk)):
        reencrypt()
    hook.delete()


def test_reencrypting_says_what_it_did_and_when_the_old_keys_may_go(staff_member: User, settings: Settings) -> None:
    second_factor.set_up(staff_member, second_factor.new_secret(), 0)
    sealed = {"secret": webhook_secrets.seal(b"s" * 32)}
    hook = Webhook.objects.create(user=staff_member, url="https://hooks.example.com/", events=["task.*"], **sealed)
    change_key(settings, NEW, settings.SECRET_KEY)

    assert reencrypt(verbosity=0) == ""
    assert reencrypt() == (
        "Second factors: 0 encrypted anew, 1 were already.\n"
        "Webhooks: 0 encrypted anew, 1 were already.\n"
        "The keys in SECRET_KEY_FALLBACKS are no longer needed for them.\n"
    )

    change_key(settings, NEWEST)
    told = io.StringIO()
    with pytest.raises(CommandError, match=rf"^1 cannot be read .*: {staff_member.email}\. Add the key"):
        call_command("reencrypt", stdout=told)
    assert told.getvalue() == (
        "Second factors: 0 encrypted anew, 0 were already.\nWebhooks: 0 encrypted anew, 0 were already.\n"
    ), "what cannot be read needs its key still"
    SecondFactor.objects.all().delete()
    with pytest.raises(CommandError, match=rf"^The secrets of 1 webhooks cannot be read .*: {hook.pk}\. Add the key"):
        reencrypt()
    hook.delete()


async def test_stored_answers_can_be_repeated_under_the_next_key(alice: Person, settings: Settings) -> None:
    keyed = {"Idempotency-Key": "the same"}
    first = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=keyed)

    change_key(settings, NEW, settings.SECRET_KEY)
    again = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=keyed)
    change_key(settings, NEWEST)
    lost = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=keyed)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (lost.status_code, lost.json()["code"]) == (409, "conflict")


async def test_cursors_go_on_under_the_next_key(client: httpx.AsyncClient, alice: Person, settings: Settings) -> None:
    for number in range(2):
        await alice.task(str(number))
    cursor = (await alice.http.get("/v1/tasks?limit=1")).json()["next_cursor"]

    change_key(settings, NEW, settings.SECRET_KEY)
    assert (await alice.http.get(f"/v1/tasks?limit=1&cursor={cursor}")).status_code == 200
    change_key(settings, NEW)
    assert (await alice.http.get(f"/v1/tasks?limit=1&cursor={cursor}")).status_code == 400


async def test_whoever_polls_while_the_old_key_is_kept_goes_on_when_it_is_gone(
    alice: Person, settings: Settings
) -> None:
    old = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]

    change_key(settings, NEW, settings.SECRET_KEY)
    renewed = (await alice.http.get(f"/v1/changes?cursor={old}")).json()["next_cursor"]
    change_key(settings, NEW)
    assert (await alice.http.get(f"/v1/changes?cursor={renewed}")).status_code == 200
    assert (await alice.http.get(f"/v1/changes?cursor={old}")).status_code == 400
