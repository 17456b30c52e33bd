"""One rule for e-mail addresses, and one mailbox is one account, however its address is written."""

import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import idna
import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.urls import reverse
from pytest_django import Settings

from accounts import addresses, migrations
from accounts.models import User
from tests.support import mails
from tests.support.people import PASSWORD
from tests.support.postgres.databases import connect
from tests.support.staff import make_user, page, root_client, seen


@pytest.fixture(autouse=True)
def _no_attempts_left_behind(database: None) -> Iterator[None]:
    yield
    with connect(autocommit=True) as connection:  # all tests come from one address
        connection.execute("DELETE FROM attempt_buckets")


REGISTER, LOGIN = "/v1/auth/register", "/v1/auth/login"


@pytest.mark.parametrize(
    "email",
    [
        "\u212aim@example.com",  # the Kelvin sign, which is k in lower case
        "\u0130nci@example.com",
        "zoë@example.com",
        "\uff41lice@example.com",  # full width
        "al\u00adice@example.com",
        f"{'x' * 65}@example.com",
        "a@[127.0.0.1]",
        "a@localhost",
        "a@127.0.0.1",
        "a@example",
        "a@example.com.",
        "a@-example.com",
        "a@exa_mple.com",
        "a@xn--.com",
        "a@xn--example-.com",  # no letter in it that would need it
        "a@xn--MNCHEN-3ya\u00fc.de",
        "a@💩.example",
        "a@\u200d.example",
        f"a@{'x' * 64}.com",
        '"a b"@example.com',
        "a..b@example.com",
    ],
)
async def test_what_no_account_may_have_is_refused(client: httpx.AsyncClient, email: str) -> None:
    response = await client.post(REGISTER, json={"email": email, "password": PASSWORD})

    assert response.status_code == 422, response.text
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [("#/email", "email")]


def test_localhost_is_for_development(settings: Settings) -> None:
    settings.DEBUG = True
    addresses.validate("a@localhost")
    settings.DEBUG = False
    with pytest.raises(ValidationError):
        addresses.validate("a@localhost")


# With % for what makes each test's addresses new.
ONE = [
    ("u@m%ünchen.de", "u@xn--m%nchen-{}.de"),
    ("u@m%ünchen.de", "U@M%ÜNCHEN.DE"),
    ("u@m%ünchen.de", "u@m%u\u0308nchen.de"),
    ("u@exam%ple.com", "u@exam%\u00adple.com"),
    ("u@exam%ple.com", "u@\uff45xam%ple\uff0ecom"),
    ("u@exam%ple.com", "u@exam%ple。com"),
    ("u@%straße.de", "u@%STRAẞE.de"),
]


def _forms(pair: tuple[str, str]) -> tuple[str, str]:
    tag = uuid.uuid4().hex[:12]
    first, second = (form.replace("%", tag) for form in pair)
    if "{}" in second:
        second = f"u@{idna.encode(first.partition('@')[2]).decode()}"
    return first, second


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("pair", ONE)
async def test_one_mailbox_is_one_account(client: httpx.AsyncClient, pair: tuple[str, str], turned: bool) -> None:
    first, second = reversed(_forms(pair)) if turned else _forms(pair)
    made = await client.post(REGISTER, json={"email": first, "password": PASSWORD})
    assert (made.status_code, made.json().get("user", {}).get("email")) == (201, first)  # shown as typed

    again = await client.post(REGISTER, json={"email": second, "password": PASSWORD})
    login = await client.post(LOGIN, json={"email": second, "password": PASSWORD})

    assert (again.status_code, again.json()["code"]) == (409, "email-taken")
    assert login.json()["user"]["id"] == made.json()["user"]["id"]


@pytest.mark.parametrize("pair", ONE[:2])
async def test_a_reset_finds_the_account_however_its_address_is_written(
    client: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    first, second = _forms(pair)
    await client.post(REGISTER, json={"email": first, "password": PASSWORD})
    mailed_to = addresses.deliverable(first)

    assert (await client.post("/v1/auth/password-reset", json={"email": second})).status_code == 202
    new = {"token": await mails.code(mailed_to), "password": "another long password"}
    assert (await client.post("/v1/auth/password-reset/confirm", json=new)).status_code == 204

    login = await client.post(LOGIN, json={"email": first, "password": new["password"]})
    assert login.status_code == 201


async def test_a_proved_address_is_one_account_too(client: httpx.AsyncClient, settings: Settings) -> None:
    settings.EMAIL_VERIFICATION = "required"
    first, second = _forms(ONE[0])
    codes = []
    for form in (first, second):  # both are asked for before there is an account
        assert (await client.post(REGISTER, json={"email": form, "password": PASSWORD})).status_code == 202
        codes.append(await mails.code(second))

    answers = [await client.post("/v1/auth/verify-email", json={"token": code, "password": PASSWORD}) for code in codes]

    assert [answer.status_code for answer in answers] == [204, 400]
    assert (await client.post(LOGIN, json={"email": second, "password": PASSWORD})).json()["user"]["email"] == first


async def test_accounts_from_before_keep_working(client: httpx.AsyncClient) -> None:
    """Two for one mailbox, and one that would be refused today."""
    first, second = _forms(ONE[0])
    odd = f"\u212a{uuid.uuid4().hex}@example.com"
    made = {}
    for email in (first, second, odd):
        plain = f"{uuid.uuid4().hex}@example.com"
        made[email] = (await client.post(REGISTER, json={"email": plain, "password": PASSWORD})).json()["user"]["id"]
        with connect(autocommit=True) as connection:  # as the release before wrote it: without a mailbox
            connection.execute("UPDATE users SET email = %s WHERE id = %s", [email, made[email]])

    for email, identity in made.items():
        login = await client.post(LOGIN, json={"email": email, "password": PASSWORD})
        assert (login.status_code, login.json()["user"]["id"]) == (201, identity)
        assert (await client.post("/v1/auth/password-reset", json={"email": email})).status_code == 202
        assert await mails.code(addresses.deliverable(email))


async def test_attempts_are_counted_by_mailbox(client: httpx.AsyncClient, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (2, 900)
    first, second = _forms(ONE[0])
    answers = []
    for number in range(3):
        wrong = {"email": (first, second)[number % 2], "password": "not the password"}
        answers.append((await client.post(LOGIN, json=wrong)).status_code)

    assert answers == [401, 401, 429]


def test_staff_give_no_address_that_the_api_would_refuse(orm: None) -> None:
    """Neither another form of one that is taken, nor one by another rule; what an account has stays."""
    first, second = _forms(ONE[0])
    taken, person, odd = make_user(), make_user(), make_user()
    taken.email, odd.email = first, f"\u212a{uuid.uuid4().hex}@example.com"
    taken.save(update_fields=["email"])
    odd.save()

    def save(user: User, email: str) -> str:
        form = {"email": email, "timezone": "Asia/Tokyo", **seen(user)}
        return page(root.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))

    root = root_client()
    assert "A user with this e-mail exists." in save(person, second)
    assert "This is not an e-mail address." in save(person, odd.email)
    save(odd, odd.email)
    assert User.objects.get(pk=odd.pk).timezone == "Asia/Tokyo"
    assert User.objects.get(pk=taken.pk).mailbox == second


@pytest.mark.parametrize(
    "domain",
    [
        *("münchen.de", "MÜNCHEN.de", "straße.de", "faß.example", "ΣΊΣΥΦΟΣ.gr", "\uff45xample.com", "例え。テスト"),
        *("exam\u00adple.com", "क्षेत्र.भारत", "пример.рф", "bücher.example", "a\u0301.example", "xn--mnchen-3ya.de"),
        "\uff58n--mnchen-3ya.de",
    ],
)
def test_domains_are_compared_as_the_standard_says(domain: str) -> None:
    expected = idna.encode(domain, uts46=True, transitional=False).decode()
    assert addresses.mailbox(f"u@{domain}") == f"u@{expected}"


def test_mail_goes_to_the_domain_that_was_meant() -> None:
    """Python's own codec, which Django uses, makes strasse.de of straße.de."""
    assert addresses.deliverable("Ann.Lee@straße.de") == "Ann.Lee@xn--strae-oqa.de"
    assert addresses.deliverable("Ann.Lee@Example.com") == "Ann.Lee@Example.com"


def test_what_exists_is_given_its_mailbox_and_two_of_one_both_stay(orm: None) -> None:
    """As the migration does it: the older of two keeps the mailbox to itself."""
    alone, older, younger = make_user(), make_user(), make_user()
    (umlaut, plain), (other, _) = _forms(ONE[0]), _forms(ONE[0])
    for user, email in ((alone, other), (older, plain), (younger, umlaut)):  # as the release before wrote them
        User.objects.filter(pk=user.pk).update(email=email, mailbox="")

    for _ in range(2):
        migration("fill_mailboxes").fill(apps, None)

    found = dict(User.objects.filter(pk__in=[alone.pk, older.pk, younger.pk]).values_list("pk", "mailbox"))
    assert found == {alone.pk: addresses.mailbox(other), older.pk: "", younger.pk: ""}
    assert [User.objects.get_by_natural_key(email) for email in (umlaut, plain)] == [younger, older]


def migration(name: str) -> Any:
    """Return a migration's module by what it is called behind its number."""
    (module,) = {file.stem for file in Path(migrations.__file__).parent.glob(f"*_{name}.py")}
    return import_module(f"accounts.migrations.{module}")
