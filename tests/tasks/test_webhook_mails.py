"""Owners are told by mail what becomes of their webhooks, also where no mail can be sent at that moment.

Mails go over SMTP to a server in this process. Where a lease would be waited for, the moment is moved in the database.
"""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from tasks.background.webhooks import tell_owners
from tests.support.mails import MailServer, mail_server
from tests.support.people import Person
from tests.support.processes.servers import free_port
from tests.tasks.test_webhooks import make, sql

DISABLED = "Subject: A webhook is disabled"


@pytest.fixture
def post_office(app: Any, settings: Settings) -> Iterator[MailServer]:
    """A mail server, and nothing in the database that other tests have left to be told."""
    sql("UPDATE webhooks SET notice_at = NULL")
    with mail_server() as made:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
        yield made


def end_lease(person: Person) -> None:
    sql("UPDATE webhooks SET notice_at = now() WHERE user_id = %s AND notice_at IS NOT NULL", person.id)


def lease(person: Person) -> timedelta | None:
    ((found,),) = sql("SELECT notice_at - now() FROM webhooks WHERE user_id = %s", person.id)
    assert found is None or isinstance(found, timedelta)
    return found


def subjects(post_office: MailServer) -> list[str]:
    return [line for letter in post_office.received for line in letter.splitlines() if line.startswith("Subject:")]


async def told_of_one(alice: Person) -> None:
    await make(alice)
    await tell_owners()


async def _by_logout(person: Person) -> None:
    answer = await person.http.post("/v1/auth/logout-everywhere")
    assert answer.is_success, answer.text


async def _by_receiver(person: Person) -> None:
    sql("UPDATE webhooks SET is_enabled = false, disabled_reason = 'gone' WHERE user_id = %s", person.id)


@pytest.mark.parametrize("end", [_by_logout, _by_receiver])
async def test_a_mail_that_no_server_takes_is_tried_again_until_one_does(
    alice: Person, post_office: MailServer, settings: Settings, end: Callable[[Person], Awaitable[None]]
) -> None:
    """A server that is away, one that is busy, and more tries than mails that anybody reads: a try is no mail."""
    settings.REGISTER_LIMIT = (3, 3600)
    await told_of_one(alice)
    await end(alice)
    settings.EMAIL_PORT = free_port()
    for _ in range(5):
        await tell_owners()
        end_lease(alice)
    settings.EMAIL_PORT, post_office.refuses = post_office.port, True
    for _ in range(5):
        await tell_owners()
        end_lease(alice)
    assert (post_office.refused, subjects(post_office)) == (5, ["Subject: A webhook was made"])

    post_office.refuses = False
    await tell_owners()

    assert lease(alice) is None
    end_lease(alice)
    await tell_owners()
    assert subjects(post_office) == ["Subject: A webhook was made", DISABLED]


@pytest.mark.parametrize("change", [{"url": "https://other.example.com/to?key=s3cret"}, {"is_enabled": False}])
async def test_a_change_is_told_with_where_it_goes_now_and_nothing_secret(
    alice: Person, post_office: MailServer, change: dict[str, Any]
) -> None:
    made = await make(alice)
    await tell_owners()
    answer = await alice.http.patch(f"/v1/webhooks/{made['id']}", json=change)
    assert answer.status_code == 200
    place, _, secret = answer.json()["url"].partition("?")

    await tell_owners()

    assert subjects(post_office) == ["Subject: A webhook was made", "Subject: A webhook was changed"]
    letter = post_office.received[-1]
    assert f"To: {alice.email}" in letter
    assert f"it is now {place}." in letter.replace("\r\n", "\n").replace("\n", " ")
    assert secret not in letter


async def test_the_job_says_when_it_tries_again_and_waits_longer_each_time(
    alice: Person, post_office: MailServer
) -> None:
    await told_of_one(alice)
    await _by_receiver(alice)
    post_office.refuses = True
    for waited, longest in (("1 second", 120), ("10 minutes", 600), ("4 days", 3600)):
        sql("UPDATE webhooks SET updated_at = now() - %s::interval, notice_at = now() WHERE user_id = %s",
            waited, alice.id)  # fmt: skip
        seconds = await tell_owners()
        assert seconds is not None
        assert longest - 20 < seconds < longest + 20, waited
    sql("UPDATE webhooks SET updated_at = now() - interval '6 days', notice_at = now() WHERE user_id = %s", alice.id)
    assert await tell_owners() is None  # nobody waits for it any more
    assert (post_office.refused, len(post_office.received)) == (3, 1)


async def test_who_has_had_many_mails_has_the_others_later(
    alice: Person, post_office: MailServer, settings: Settings
) -> None:
    settings.REGISTER_LIMIT = (3, 3600)
    for _ in range(5):
        await make(alice)
    sql("UPDATE webhooks SET notice_at = NULL")

    await _by_logout(alice)
    for _ in range(2):
        await tell_owners()

    assert subjects(post_office) == [DISABLED] * 3
    assert sql("SELECT count(*) FROM webhooks WHERE user_id = %s AND notice_at > now()", alice.id) == [(2,)]
    sql("UPDATE attempt_buckets SET full_at = full_at - interval '1 hour'")
    end_lease(alice)
    await tell_owners()
    assert subjects(post_office) == [DISABLED] * 5
    assert sql("SELECT count(*) FROM webhooks WHERE user_id = %s AND notice_at IS NOT NULL", alice.id) == [(0,)]
