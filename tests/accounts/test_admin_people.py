"""What staff do to a person: it works at once, tells nobody's secret, and leaves a record or a receipt."""

import asyncio
import json
import re
from functools import partial
from typing import Any

import httpx
import pytest
from django.core import mail
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import audit
from accounts.models import AccessToken, AuditEvent, EmailLink, User
from tests.support.people import PASSWORD, Person
from tests.support.staff import (
    act,
    editor,
    in_thread,
    logged_in,
    make_task,
    make_token,
    make_user,
    page,
    root_client,
    seen,
)
from todoproject.database.client.statement import ACCOUNT_ROLE, API_ROLE, Statement

pytestmark = pytest.mark.usefixtures("orm")


def do(user: Any, deed: str, **form: str) -> Any:
    return root_client().post(reverse("admin:accounts_user_do", args=[getattr(user, "pk", user), deed]), form)


async def as_staff(person: Person, deed: str, **form: str) -> Any:
    return await asyncio.to_thread(in_thread, lambda: do(person.id, deed, **form))


async def test_deactivating_ends_everything_at_once_and_reactivating_brings_nothing_back(
    client: httpx.AsyncClient, alice: Person
) -> None:
    script = await alice.token_for("tasks:read")
    await client.post("/v1/auth/password-reset", json={"email": alice.email.upper()})
    await as_staff(alice, "deactivate")
    assert (await alice.http.get("/v1/me")).status_code == 401
    assert (await client.get("/v1/tasks", headers=script)).status_code == 401
    login = {"email": alice.email, "password": PASSWORD}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 401

    def links() -> int:
        return EmailLink.objects.filter(email__iexact=alice.email).count()

    assert await asyncio.to_thread(in_thread, links) == 0
    await as_staff(alice, "reactivate")
    assert (await alice.http.get("/v1/me")).status_code == 401
    assert (await client.post("/v1/auth/login", json=login)).status_code == 201


async def test_a_reset_that_staff_send_works_once_and_staff_do_not_see_it(
    client: httpx.AsyncClient, alice: Person
) -> None:
    mail.outbox = []
    answer = await as_staff(alice, "send-reset")
    (letter,) = mail.outbox
    assert letter.to == [alice.email]
    code = re.search(r"^(\S{43})$", letter.body, re.MULTILINE)
    assert code is not None
    assert code[1] not in answer.content.decode() + str(answer.headers)
    new = {"token": code[1], "password": "incorrect zebra battery staple"}
    assert (await client.post("/v1/auth/password-reset/confirm", json=new)).status_code == 204
    assert (await client.post("/v1/auth/password-reset/confirm", json=new)).status_code == 400


async def test_what_staff_export_is_what_the_person_would_get(alice: Person, bob: Person) -> None:
    await bob.task("Bob's secret")
    await bob.token_for("tasks:read")
    await alice.task("Alice's secret")
    await alice.token_for("tasks:read")
    own = (await alice.http.get("/v1/me/export")).json()
    answer = await as_staff(alice, "export")
    assert json.loads(answer.content) == own
    assert "no-store" in answer.headers["Cache-Control"]
    assert "digest" not in answer.content.decode()


async def test_a_part_that_asks_for_everybody_is_given_the_one(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, _ = await alice.task("Alice's secret"), await bob.task("Bob's secret")
    leaky = {
        "tasks": (API_ROLE, "SELECT coalesce(json_agg(id), '[]') FROM tasks"),
        "tokens": (ACCOUNT_ROLE, "SELECT coalesce(json_agg(DISTINCT user_id), '[]') FROM access_tokens"),
        "users": (ACCOUNT_ROLE, "SELECT json_agg(id) FROM users"),
    }
    parts = {
        name: partial(Statement.fenced, query, scope=None, role=role, repeatable=True)
        for name, (role, query) in leaky.items()
    }
    monkeypatch.setattr("accounts.queries.account_export._parts", parts)
    exported = json.loads((await as_staff(alice, "export")).content)
    assert exported == {"tasks": [task["id"]], "tokens": [alice.id], "users": [alice.id]}


async def test_an_export_binds_nobody_for_what_comes_next(alice: Person) -> None:
    def bound() -> str:
        do(alice.id, "export")
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(current_setting('app.user_id', true), '') || current_setting('role')")
            return str(cursor.fetchone()[0])

    assert await asyncio.to_thread(in_thread, bound) == "none"


def test_asking_is_not_doing() -> None:
    user = make_user()
    token = make_token(user)
    for deed in ("deactivate", "revoke-tokens", "erase"):
        page(root_client().get(reverse("admin:accounts_user_do", args=[user.pk, deed])))
    user.refresh_from_db()
    token.refresh_from_db()
    assert (user.is_active, token.revoked_at) == (True, None)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"reason": "abuse"},
        {"email": "EMAIL"},
        {"reason": "abuse", "email": "somebody@example.com"},
        {"reason": "she called Eva and said so", "email": "EMAIL"},
    ],
)
def test_nobody_is_erased_by_a_slip(form: dict[str, str]) -> None:
    user = make_user()
    answer = do(user, "erase", **{name: value.replace("EMAIL", user.email) for name, value in form.items()})
    assert answer.status_code == 200
    assert User.objects.filter(pk=user.pk).exists()


def test_erasing_gives_a_receipt_without_a_word_about_the_person() -> None:
    user = make_user()
    make_task(user, f"Secret of {user.email}")
    make_token(user)
    answer = do(user, "erase", reason="their own request", email=user.email.upper())
    client = root_client()
    text = page(client.get(answer["Location"]))
    receipt = client.get(answer["Location"] + "?download=1").json()
    assert (receipt["erased_user"], receipt["reason"]) == (str(user.pk), "their own request")
    assert (receipt["rows"]["tasks"], receipt["rows"]["access_tokens"]) == (1, 1)
    assert receipt["receipt"] in text
    assert user.email not in text + json.dumps(receipt)
    assert not User.objects.filter(pk=user.pk).exists()
    assert editor("view_auditevent").get(answer["Location"]).status_code == 403


def test_receipt_is_a_page_and_a_file_of_what_the_event_says() -> None:
    user, root = make_user(), root_client()
    make_token(user)
    form = {"reason": "abuse", "email": user.email}
    address = root.post(reverse("admin:accounts_user_do", args=[user.pk, "erase"]), form)["Location"]
    event = AuditEvent.objects.get(object_id=str(user.pk), action="erase")
    by = User.objects.get(pk=event.actor_id)

    shown, file = root.get(address), root.get(f"{address}?download=1")

    assert shown["Content-Type"].startswith("text/html")
    row = r"By</th><td[^>]*>{}</td>"
    assert re.search(row.format(re.escape(by.email)), page(shown))
    assert file["Content-Disposition"] == f'attachment; filename="erased-{user.pk}.json"'
    assert file.json() == {
        "receipt": str(event.pk),
        "erased_user": str(user.pk),
        "at": event.at.isoformat(),
        "by": str(by.pk),
        "reason": "abuse",
        "rows": event.facts["rows"],
    }
    by.delete()
    assert re.search(row.format(event.actor_id), page(root_client().get(address))), "who has gone has an id still"


def test_only_an_erasure_has_a_receipt() -> None:
    user = make_user()
    do(user, "deactivate")
    event = AuditEvent.objects.get(object_id=str(user.pk), action="deactivate")
    assert root_client().get(reverse("admin:accounts_auditevent_receipt", args=[event.pk])).status_code == 404


def test_what_was_erased_meanwhile_is_not_erased_again() -> None:
    user = make_user()
    do(user, "erase", reason="abuse", email=user.email)
    assert do(user, "erase", reason="abuse", email=user.email).status_code == 404
    assert AuditEvent.objects.filter(object_id=str(user.pk), action="erase").count() == 1


def test_there_is_no_other_deed() -> None:
    assert do(make_user(), "promote").status_code == 404
    assert do("00000000-0000-7000-8000-000000000000", "deactivate").status_code == 404


def test_what_does_not_fit_is_refused() -> None:
    user = make_user()
    assert do(user, "reactivate").status_code == 403
    assert do(user, "reset-second-factor").status_code == 403


def test_nobody_does_anything_to_themselves() -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    for deed in ("deactivate", "erase", "revoke-tokens"):
        assert logged_in(root).post(reverse("admin:accounts_user_do", args=[root.pk, deed])).status_code == 403


def test_whose_e_mail_shall_change_is_asked_at_both_addresses() -> None:
    mail.outbox = []
    user = make_user()
    form = {"email": f"new-{user.email}", "timezone": "UTC", **seen(user)}
    page(root_client().post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    assert [letter.to for letter in mail.outbox] == [[user.email], [f"new-{user.email}"]]
    assert "@" not in mail.outbox[0].body + mail.outbox[1].body


def test_the_page_of_a_person_costs_the_same_whatever_they_have() -> None:
    client, user = root_client(), make_user()
    address = reverse("admin:accounts_user_change", args=[user.pk])
    page(client.get(address))  # a process asks once for what kinds of things there are
    costs = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            page(client.get(address))
        costs.append(len(queries))
        for _ in range(12):
            make_task(user)
            make_token(user)
            audit.record(_request(user), "view", user)
    # One time it is the actors' e-mails that need not be asked for.
    assert max(costs) - min(costs) <= 1
    assert max(costs) <= 24


def _request(user: User) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_people_are_found_by_how_the_e_mail_begins_by_an_index() -> None:
    user = make_user("zoe")
    assert user.email in page(root_client().get("/admin/accounts/user/", {"q": user.email[:15].upper()}))
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT id FROM users WHERE LOWER(email)::text LIKE 'zoe%'")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "users_email_prefix" in plan


@pytest.mark.parametrize("search", ["%", "_", "\\", "a%b", "zoe_", "x" * 1000])
def test_a_strange_search_finds_nobody_and_breaks_nothing(search: str) -> None:
    make_user("zoe")
    assert "zoe-" not in page(root_client().get("/admin/accounts/user/", {"q": search}))


def test_tokens_of_the_more_powerful_are_left_out_of_an_action() -> None:
    mine, boss = make_token(make_user()), make_token(make_user("boss", is_staff=True, is_superuser=True))
    act(editor("view_accesstoken", "change_accesstoken"), "accounts_accesstoken", "revoke", mine, boss)
    revoked = AccessToken.objects.filter(pk__in=[mine.pk, boss.pk]).exclude(revoked_at=None)
    assert [token.pk for token in revoked] == [mine.pk]
