"""What staff do to a person is recorded once each, and with what it did; a mail never comes before its commit."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts.admin.person_actions import DEEDS
from accounts.models import AccessToken, AuditEvent, EmailLink, SecondFactor, User
from tests.support.staff import logged_in, make_token, make_user, page, root_client

pytestmark = pytest.mark.usefixtures("orm")

# What each leaves in the audit: the action, the facts that are always the same, and what of the person has changed.
RECORDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "send-reset": ("send reset", {}, {}),
    "revoke-tokens": ("revoke tokens", {"tokens": 2}, {}),
    "lift-limit": ("lift limit", {"buckets": 0}, {}),
    "reset-second-factor": ("reset second factor", {}, {}),
    "export": ("export", {}, {}),
    "deactivate": ("deactivate", {"fields": ["is_active"]}, {"is_active": [True, False]}),
    "reactivate": ("reactivate", {"fields": ["is_active"]}, {"is_active": [False, True]}),
    "erase": ("erase", {"reason": "abuse"}, {}),
}


def somebody(deed: str) -> User:
    user = make_user(is_active=deed != "reactivate")
    SecondFactor.objects.create(user=user, secret=b"x", recovery_codes=[])
    for _ in range(2):
        make_token(user)
    make_token(user, revoked_at=datetime(2026, 1, 1, tzinfo=UTC))
    return user


def do(client: Client, user: User, deed: str) -> Any:
    form = {"reason": "abuse", "email": user.email}
    return client.post(reverse("admin:accounts_user_do", args=[user.pk, deed]), form)


def test_every_deed_is_in_the_table() -> None:
    assert {deed.name for deed in DEEDS} == RECORDS.keys()


@pytest.mark.parametrize("deed", RECORDS)
def test_each_deed_leaves_one_event_with_its_facts(deed: str) -> None:
    actor, user = make_user("root", is_staff=True, is_superuser=True), somebody(deed)
    assert do(logged_in(actor), user, deed).status_code == (200 if deed == "export" else 302)
    (event,) = AuditEvent.objects.filter(object_id=str(user.pk))
    action, facts, changes = RECORDS[deed]
    assert (event.action, event.actor_id, event.door, event.object_type) == (action, actor.pk, "admin", "accounts.user")
    assert event.facts.items() >= facts.items()
    assert getattr(getattr(event, "detail", None), "changes", {}) == changes


def test_revoking_leaves_the_time_of_what_was_revoked_long_ago() -> None:
    user = somebody("revoke-tokens")
    do(root_client(), user, "revoke-tokens")
    times = list(AccessToken.objects.filter(user=user).order_by("revoked_at").values_list("revoked_at", flat=True))
    assert times[0] == datetime(2026, 1, 1, tzinfo=UTC)
    assert None not in times
    assert times[1] is not None
    assert times[1].year > 2025


def test_no_mail_leaves_before_the_code_in_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    user, client = somebody("send-reset"), root_client()

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("broken after the link was written")

    mail.outbox = []
    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(DatabaseError):
        do(client, user, "send-reset")
    assert mail.outbox == []
    assert not EmailLink.objects.filter(email=user.email).exists()


def test_a_mail_leaves_after_the_commit_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    user, client, seen = somebody("send-reset"), root_client(), []
    from accounts.admin import person_actions
    from tests.support.postgres.databases import connect

    def send(letter: Any) -> None:
        with connect() as other:  # which sees what is committed
            row = other.execute("SELECT count(*) FROM email_links WHERE email = %s", [user.email]).fetchone()
            seen.append(row and row[0])

    monkeypatch.setattr(person_actions, "send_now", send)
    do(client, user, "send-reset")
    assert seen == [1]


@pytest.mark.parametrize("address", ["r/1/text/", "r/99/x/", "r/accounts/user/", "r/1/2/3/"])
def test_there_is_no_other_site_to_view_anything_on(address: str) -> None:
    assert root_client().get(f"/admin/{address}").status_code == 404
    assert Client().get(f"/admin/{address}").status_code == 404


def test_no_page_carries_the_scripts_of_charts_that_are_drawn_without() -> None:
    assert "chart.js" not in page(root_client().get("/admin/"))
