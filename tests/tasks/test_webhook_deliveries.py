"""Events reach webhooks in order, at least once and signed right, and none that misbehaves delays another.

Receivers are in this process. Where a schedule would be waited for, the moment is moved in the database instead.
"""

import asyncio
import base64
import contextvars
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from django.core import mail
from django.core.management import call_command
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from tasks import webhook_secrets
from tasks.background import webhooks
from tasks.background.webhooks import tell_owners
from tasks.queries import reminders, webhook_claims, webhook_events, webhook_outcomes
from tasks.queries.webhook_claims import Lease, Room
from tasks.queries.webhook_notices import Notice
from tasks.queries.webhook_outcomes import Outcome
from tasks.webhooks import posting, sending
from tasks.webhooks.delivering import Deliveries
from tasks.webhooks.posting import Client
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.receivers import OK, Received, Receiver, receiver, status
from tests.support.staff import in_thread
from tests.tasks.test_webhooks import make, sql
from todoproject.background import runner as runner_module
from todoproject.background.runner import Job, Runner
from todoproject.management.backups import smoke

GONE, BROKEN = status(410), status(500)


@pytest_asyncio.fixture(loop_scope="session")
async def hook(app: Any, settings: Settings) -> AsyncIterator[Receiver]:
    """A receiver, and no hook in the database that others have left."""
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    sql("UPDATE webhooks SET is_enabled = false, notice_at = NULL")
    sql("UPDATE webhooks_deliveries SET state = 'failed' WHERE state IN ('queued', 'set_aside')")
    async with receiver() as made:
        yield made


async def deliver() -> None:
    await Deliveries().run()


async def listed(person: Person, made: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.http.get(f"/v1/webhooks/{made['id']}/deliveries")).json()["items"]
    return found


async def claim(most: int, *busy: uuid.UUID) -> list[Lease]:
    return await webhook_claims.claim(Room(most, most, busy, []))


def try_again_now(person: Person) -> None:
    sql("UPDATE webhooks SET next_try_at = now() WHERE user_id = %s AND next_try_at IS NOT NULL", person.id)
    sql("UPDATE webhooks_deliveries SET next_try_at = now() WHERE user_id = %s AND next_try_at IS NOT NULL", person.id)


def end_lease(person: Person) -> None:
    sql("UPDATE webhooks SET leased_until = NULL WHERE user_id = %s", person.id)


def is_signed(request: Received, secret: str) -> bool:
    """Verify as a receiver does: with the library of the specification. It checks the time, too."""
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


def test_signatures_are_those_of_the_specification() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = webhook_secrets.signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_events_arrive_in_order_signed_and_with_what_has_changed(alice: Person, hook: Receiver) -> None:
    await alice.task("Before")
    made = await make(alice, "task.*", "list.created", url=hook.url)
    task = await alice.task("Buy milk", priority="low")
    path = f"/v1/tasks/{task['id']}"
    await alice.http.patch(path, json={"priority": "high", "title": "Buy oat milk"})
    groceries = await alice.list()
    await alice.http.patch(f"/v1/lists/{groceries['id']}", json={"name": "Shopping"})
    await alice.http.post(f"{path}/complete")
    deleted = await alice.http.delete(path)

    await deliver()

    types = ["task.created", "task.updated", "list.created", "task.completed", "task.deleted"]
    assert hook.types == types
    assert hook.numbers == sorted(hook.numbers)
    assert hook.numbers[-1] == int(deleted.headers["Change-No"])
    assert all(is_signed(request, made["secret"]) for request in hook.requests)
    number = hook.numbers[1]
    request, data = hook.requests[1], hook.requests[1].document["data"]
    assert request.headers["webhook-id"] == str(uuid.uuid5(uuid.UUID(made["id"]), str(number)))
    assert (request.target, request.headers["content-type"]) == ("/hook?of=todo", "application/json")
    assert sorted(data["changed"]) == ["priority", "title"]
    assert data["task"]["deleted_at"] is not None  # as it is when it is sent
    assert hook.requests[2].document["data"]["list"]["name"] == "Shopping"
    assert [item["state"] for item in await listed(alice, made)] == ["delivered"] * 5
    await deliver()
    assert len(hook.requests) == 5


async def test_a_purged_thing_is_null(alice: Person, hook: Receiver) -> None:
    await make(alice, url=hook.url)
    gone = await alice.task("Gone")
    sql("DELETE FROM tasks WHERE user_id = %s AND id = %s", alice.id, gone["id"])

    await deliver()

    (request,) = hook.requests
    data = request.document["data"]
    assert (request.document["type"], data["task"]) == ("task.created", None)
    assert (data["id"], data["changed"]) == (gone["id"], [])


async def test_a_reminder_is_an_event_when_it_fires(alice: Person, hook: Receiver) -> None:
    made = await make(alice, "task.reminder", url=hook.url)
    at = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    task = await alice.task(reminders=[{"at": at}])
    await deliver()
    assert hook.requests == []

    await reminders.fire(mails=False)
    await deliver()

    (request,) = hook.requests
    data = request.document["data"]
    assert request.document["type"] == "task.reminder"
    assert (data["id"], data["task"], data["changed"]) == (task["id"], task, [])
    assert is_signed(request, made["secret"])


async def test_both_secrets_sign_for_a_day(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    new = (await alice.http.post(f"/v1/webhooks/{made['id']}/rotate-secret")).json()
    await alice.task()
    await deliver()
    sql("UPDATE webhooks SET rotated_at = now() - interval '1 day' WHERE user_id = %s", alice.id)
    sql("UPDATE webhooks SET old_secret = %s WHERE user_id = %s", webhook_secrets.seal(b"old" * 11), alice.id)
    await alice.task()
    await deliver()
    first, second = hook.requests
    assert [is_signed(first, secret) for secret in (made["secret"], new["secret"])] == [True, True]
    assert [is_signed(second, secret) for secret in (made["secret"], new["secret"])] == [False, True]
    assert " " not in second.headers["webhook-signature"]


async def test_it_waits_for_what_fails_and_goes_on_without_it_after_four_tries(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    hook.answers = [BROKEN] * 5
    for _ in range(2):
        await alice.task()
    for tries in range(1, 4):
        await deliver()
        newest = (await listed(alice, made))[0]
        assert (newest["state"], newest["tries"], newest["status"]) == ("retrying", tries, 500)
        ((wait,),) = sql("SELECT next_try_at - tried_at FROM webhooks_deliveries WHERE user_id = %s", alice.id)
        assert wait == timedelta(seconds=webhook_outcomes.SCHEDULE[tries - 1])
        await deliver()
        assert len(hook.requests) == tries  # it is not tried before its time
        try_again_now(alice)
    hook.answers[1:] = []
    await deliver()

    first, second = hook.numbers[0], hook.numbers[-1]
    assert hook.numbers == [first] * 4 + [second]
    states = {item["change_no"]: (item["state"], item["tries"]) for item in await listed(alice, made)}
    assert states == {first: ("set_aside", 4), second: ("delivered", 1)}
    try_again_now(alice)
    await deliver()
    assert hook.numbers[-1] == first
    states = {item["change_no"]: (item["state"], item["tries"]) for item in await listed(alice, made)}
    assert states[first] == ("delivered", 5)
    assert len({request.headers["webhook-id"] for request in hook.requests}) == 2


async def test_a_defect_of_ours_holds_up_no_hook_for_ever(
    alice: Person, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a try that has failed; uncounted, the lease would end and the same event come again, and no other."""
    made = await make(alice, url=hook.url)
    await alice.task("broken")
    post = posting.Client.post

    async def break_once(client: Client, url: str, headers: Any, content: bytes) -> Outcome:
        if b'"broken"' in content:
            raise ValueError("a defect")
        return await post(client, url, headers, content)

    monkeypatch.setattr(posting.Client, "post", break_once)
    await alice.task("whole")
    for _ in range(webhook_outcomes.TRIES_IN_ORDER):
        await deliver()
        try_again_now(alice)

    newest, *_, broken = await listed(alice, made)
    assert (broken["state"], broken["error"]) == ("set_aside", "internal")
    assert (newest["state"], len(hook.requests)) == ("delivered", 1)


async def test_what_fails_to_the_end_of_the_schedule_is_given_up(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    hook.otherwise = BROKEN
    await alice.task()
    for _ in range(12):
        await deliver()
        try_again_now(alice)
    (item,) = await listed(alice, made)
    assert (item["state"], item["tries"], item["next_try_at"]) == ("failed", 10, None)
    assert len(hook.requests) == 10


def letters(person: Person) -> list[str]:
    return [letter.subject for letter in mail.outbox if letter.to == [person.email]]


async def test_a_410_disables_and_three_days_do_and_their_owner_is_told(alice: Person, hook: Receiver) -> None:
    gone = await make(alice, url=hook.url)
    await tell_owners()
    hook.answers = [GONE]
    await alice.task()
    await alice.task()
    await deliver()
    await deliver()
    assert len(hook.requests) == 1
    found = (await alice.http.get(f"/v1/webhooks/{gone['id']}")).json()
    assert (found["is_enabled"], found["disabled_reason"], found["version"]) == (False, "gone", 2)
    await tell_owners()
    assert letters(alice) == ["A webhook was made", "A webhook is disabled"]
    assert "of=todo" not in mail.outbox[-1].body

    failing = await make(alice, url=hook.url)
    hook.otherwise = BROKEN
    await alice.task()
    await deliver()
    sql("UPDATE webhooks SET failing_since = now() - interval '71 hours' WHERE id = %s", failing["id"])
    try_again_now(alice)
    await deliver()
    assert (await alice.http.get(f"/v1/webhooks/{failing['id']}")).json()["is_enabled"]
    sql("UPDATE webhooks SET failing_since = now() - interval '73 hours' WHERE id = %s", failing["id"])
    try_again_now(alice)
    await deliver()
    found = (await alice.http.get(f"/v1/webhooks/{failing['id']}")).json()
    assert (found["is_enabled"], found["disabled_reason"]) == (False, "failing")
    assert [item["state"] for item in await listed(alice, failing)] == ["failed"]


async def test_one_success_is_enough_to_stay_enabled(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    hook.answers = [BROKEN, OK, BROKEN]
    await alice.task()
    await deliver()
    sql("UPDATE webhooks SET failing_since = now() - interval '73 hours' WHERE user_id = %s", alice.id)
    try_again_now(alice)
    await deliver()
    await alice.task()
    await deliver()
    assert (await alice.http.get(f"/v1/webhooks/{made['id']}")).json()["is_enabled"]


async def test_one_that_is_enabled_again_begins_now_and_replay_tells_the_rest(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    path = f"/v1/webhooks/{made['id']}"
    await alice.http.patch(path, json={"is_enabled": False})
    missed = int((await alice.http.post("/v1/tasks", json={"title": "x"})).headers["Change-No"])
    await deliver()
    assert hook.requests == []
    await alice.http.patch(path, json={"is_enabled": True})
    seen = int((await alice.http.post("/v1/tasks", json={"title": "x"})).headers["Change-No"])
    await deliver()
    assert hook.numbers == [seen]
    await alice.http.post(f"{path}/replay", json={"from": missed, "to": missed})
    await deliver()
    assert hook.numbers == [seen, missed]


async def test_what_waits_at_a_disabled_hook_is_given_up_but_a_test_is_sent(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    path = f"/v1/webhooks/{made['id']}"
    await alice.task()
    await alice.http.post(f"{path}/replay", json={"from": 1, "to": 100})
    await alice.http.patch(path, json={"is_enabled": False})
    await alice.http.post(f"{path}/test")
    await deliver()
    (request,) = hook.requests
    assert (request.document["type"], request.document["data"]) == ("webhook.test", {})
    assert is_signed(request, made["secret"])
    states = {item["type"]: (item["state"], item["error"]) for item in await listed(alice, made)}
    assert states == {"webhook.test": ("delivered", None), "task.created": ("failed", "disabled")}


async def test_tests_have_ids_of_their_own_and_are_sent_under_them(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    told = [(await alice.http.post(f"/v1/webhooks/{made['id']}/test")).json() for _ in range(2)]

    await deliver()

    ids = [uuid.UUID(test["id"]) for test in told]
    assert ([it.version for it in ids], ids[0] < ids[1]) == ([7, 7], True)
    of_message = [str(uuid.uuid5(uuid.UUID(made["id"]), test["id"])) for test in told]
    assert [test["message_id"] for test in told] == of_message
    assert sorted(request.headers["webhook-id"] for request in hook.requests) == sorted(of_message)
    assert [item["message_id"] for item in await listed(alice, made)] == of_message[::-1]


# --- Many at once ---------------------------------------------------------------------------------


async def test_a_hook_that_hangs_delays_no_other_owner(alice: Person, bob: Person, hook: Receiver) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await released.wait()

    released = asyncio.Event()
    async with receiver() as other:
        for _ in range(6):  # more than an account has places
            await make(alice, url=hook.url)
        await make(bob, url=other.url)
        hook.otherwise = hang
        await alice.task()
        running = asyncio.create_task(deliver())
        await hook.until(webhook_claims.MOST_OF_OWNER)
        started = time.monotonic()
        await bob.task()
        await other.until(1)
        waited = time.monotonic() - started
        assert len(hook.requests) == webhook_claims.MOST_OF_OWNER
        hook.otherwise = OK
        released.set()
        await running
    assert waited < 1


async def test_two_processes_at_once_deliver_each_event_once(alice: Person, hook: Receiver) -> None:
    await make(alice, url=hook.url)
    for _ in range(8):
        await alice.task()
    with connect() as holder:
        holder.execute(
            "SELECT FROM webhooks WHERE user_id = %s FOR UPDATE", [alice.id]
        )  # as whoever claims it just now
        assert await asyncio.wait_for(claim(10), 10) == []
        holder.rollback()
    released = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.write(OK)

    hook.answers.append(hang)
    first = asyncio.create_task(deliver())
    await hook.until(1)
    await asyncio.wait_for(deliver(), 10)  # finds nothing to do while the first one is waiting for its answer
    assert len(hook.requests) == 1
    released.set()
    await first
    assert hook.numbers == sorted({*hook.numbers})
    assert len(hook.numbers) == 8


async def test_whoever_ends_between_sending_and_noting_sends_it_again(alice: Person, hook: Receiver) -> None:
    await make(alice, url=hook.url)
    await alice.task()
    (first,) = await claim(10)
    batch = await webhook_events.next_events(first)
    assert batch is not None
    (event,) = batch.events
    client = Client()
    await sending.send(first.hook, batch.target, event, client)  # and the process is killed
    client.close()
    await deliver()
    assert len(hook.requests) == 1  # it is leased still
    end_lease(alice)
    await deliver()
    assert hook.numbers == [event.change_no] * 2
    assert len({request.headers["webhook-id"] for request in hook.requests}) == 1
    # The first one was not killed, but slow: its word does not count any more.
    assert not await webhook_outcomes.note(first, event, Outcome(410, None, 1))
    assert not await webhook_outcomes.note_delivered(first, [(event, Outcome(200, None, 1))], 2**62, ends=True)
    await webhook_outcomes.pass_over(first, 2**62, ends=True)
    assert sql("SELECT is_enabled, position FROM webhooks WHERE user_id = %s", alice.id) == [(True, event.change_no)]


@pytest.mark.parametrize("how", ["delete", "disable"])
async def test_nothing_is_sent_after_the_hook_was_ended(alice: Person, hook: Receiver, how: str) -> None:
    made = await make(alice, url=hook.url)
    path = f"/v1/webhooks/{made['id']}"
    for _ in range(3):
        await alice.task()

    async def end(writer: asyncio.StreamWriter) -> None:
        if how == "delete":
            assert (await alice.http.delete(path)).status_code == 204
        else:
            await alice.http.patch(path, json={"is_enabled": False})
        writer.write(OK)

    hook.answers = [end]
    await alice.http.post(f"{path}/replay", json={"from": 2**62, "to": 2**62})
    await deliver()
    assert len(hook.requests) == 1


async def test_a_new_address_is_tried_at_once_and_the_old_ones_answer_does_not_count(
    alice: Person, hook: Receiver
) -> None:
    made = await make(alice, url=hook.url)
    async with receiver() as other:

        async def move(writer: asyncio.StreamWriter) -> None:
            await alice.http.patch(f"/v1/webhooks/{made['id']}", json={"url": other.url})
            writer.write(GONE)

        hook.answers = [move]
        await alice.task()
        await deliver()
        await deliver()
        assert (len(hook.requests), len(other.requests)) == (1, 1)
    assert (await alice.http.get(f"/v1/webhooks/{made['id']}")).json()["is_enabled"]


async def test_other_events_are_begun_with_anew(alice: Person, hook: Receiver) -> None:
    """What was tried before belonged to an event that the hook does not want any more."""
    made = await make(alice, url=hook.url)
    hook.answers = [BROKEN]
    await alice.task()
    await deliver()
    await alice.list()
    await alice.http.patch(f"/v1/webhooks/{made['id']}", json={"events": ["list.*"]})
    await deliver()
    assert hook.types == ["task.created", "list.created"]
    states = {item["type"]: (item["state"], item["tries"], item["error"]) for item in await listed(alice, made)}
    assert states == {"task.created": ("failed", 1, "changed"), "list.created": ("delivered", 1, None)}


async def test_a_write_is_not_held_up_by_a_delivery_nor_the_other_way(alice: Person, hook: Receiver) -> None:
    """Whoever holds an owner's row for a write may take its time: what was written before is delivered meanwhile."""
    await make(alice, url=hook.url)
    await alice.task()
    with connect() as writer:
        writer.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])
        await deliver()
        writer.rollback()
    assert len(hook.requests) == 1


async def test_a_process_that_ends_begins_nothing_more(alice: Person, hook: Receiver) -> None:
    await make(alice, url=hook.url)
    await alice.task()
    runner = Runner([Job("webhooks", Deliveries().run)], poll_seconds=60)
    runner.ending.set()
    context = contextvars.copy_context()
    context.run(runner_module._ending.set, runner.ending)
    await asyncio.create_task(deliver(), context=context)
    assert hook.requests == []
    await deliver()
    assert len(hook.requests) == 1


async def test_the_background_process_is_woken_and_delivers(alice: Person, hook: Receiver) -> None:
    await make(alice, url=hook.url)
    runner = Runner([Job("webhooks", Deliveries().run)], poll_seconds=60)
    runner.start()
    await alice.task()
    runner.note_request(wrote=True)
    await hook.until(1)
    await runner.drain()
    assert hook.types == ["task.created"]


def test_a_backup_that_is_tried_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copy holds hooks and reminders of real people."""
    started: list[dict[str, str]] = []

    def start(*_: Any, env: dict[str, str], **__: Any) -> Any:
        started.append(env)
        raise OSError("not started")

    monkeypatch.setattr(smoke.subprocess, "Popen", start)
    with pytest.raises(OSError, match="not started"), smoke._serving("postgresql:///copy"):
        pass
    assert [env["BACKGROUND"] for env in started] == ["false"]


# --- What stays in the log ------------------------------------------------------------------------


async def test_the_history_is_kept_as_far_as_an_enabled_hook_has_not_come(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    await alice.task()
    sql("UPDATE changes SET at = now() - interval '100 days' WHERE user_id = %s", alice.id)

    def left() -> int:
        return int(sql("SELECT count(*) FROM changes WHERE user_id = %s", alice.id)[0][0])

    await asyncio.to_thread(in_thread, call_command, "purge", "-v0")
    assert left() == 1
    await alice.http.patch(f"/v1/webhooks/{made['id']}", json={"is_enabled": False})
    await asyncio.to_thread(in_thread, call_command, "purge", "-v0")
    assert left() == 0


@pytest.mark.parametrize("answer", [GONE, OK], ids=["gone", "ok"])
async def test_what_the_old_address_answers_is_not_the_new_ones(alice: Person, hook: Receiver, answer: bytes) -> None:
    """An event by itself is on its way while the hook is sent elsewhere: then it goes there, too."""
    await alice.task("Buy milk")
    made = await make(alice, url=hook.url)
    await alice.http.post(f"/v1/webhooks/{made['id']}/replay", json={"from": 1, "to": 1})
    async with receiver() as other:

        async def move(writer: asyncio.StreamWriter) -> None:
            await alice.http.patch(f"/v1/webhooks/{made['id']}", json={"url": other.url})
            writer.write(answer)
            await writer.drain()

        hook.answers = [move]
        await deliver()
        assert (await alice.http.get(f"/v1/webhooks/{made['id']}")).json()["is_enabled"]
        try_again_now(alice)
        await deliver()
        assert (hook.numbers, other.numbers) == ([1], [1])


async def test_an_account_has_a_few_places_whatever_it_sends(alice: Person, hook: Receiver) -> None:
    hooks = [await make(alice, url=hook.url) for _ in range(5)]
    await alice.task("Buy milk")
    for _ in range(5):
        await alice.http.post(f"/v1/webhooks/{hooks[0]['id']}/test")
    owner = uuid.UUID(alice.id)
    assert len(await webhook_claims.claim_queued(Room(9, 9, [owner] * 3, []))) == 1
    assert await claim(9, owner, owner, owner, owner) == []
    assert len(await claim(9, owner, uuid.uuid4())) == 3


def test_what_staff_have_disabled_is_not_told_to_be_the_end_of_logins() -> None:
    told = webhooks.letter(Notice("1", "2", "alice@example.com", "https://hooks.example.com/", "staff", None))
    assert "staff" in told.text
    assert "logins of your account were ended" not in told.text
