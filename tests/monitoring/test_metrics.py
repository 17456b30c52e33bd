"""Metrics: counted for next to nothing, summed over all workers, never going backwards, and nobody's data in them."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from tasks.background.reminders import fire_reminders, send_mails
from tasks.background.webhooks import tell_owners
from tasks.webhooks import delivering
from tasks.webhooks.delivering import Deliveries
from tests.product.test_start import refuse
from tests.support.http.apis import api_client
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.processes.servers import Server, free_port
from tests.support.receivers import receiver, status
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Statement
from todoproject.database.errors import DatabaseUnavailable
from todoproject.monitoring import exposition, sampler
from todoproject.observability import metrics
from todoproject.observability.metrics.store import Store

TOKEN = "a9Qm2xW7-Lz4vR8tKc1pYb6nHd3sGf5j"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def here() -> Samples:
    """Return the numbers of this process."""
    return samples(exposition.render(metrics.store.total, "text/plain")[0].decode())


# --- What is counted ------------------------------------------------------------------------------


async def test_request_is_counted_by_route_method_and_status(alice: Person) -> None:
    task, before = await alice.task(), here()

    for _ in range(3):
        await alice.http.get(f"/v1/tasks/{task['id']}")
    await alice.http.get(f"/v1/tasks/{alice.id}")

    after, route = here(), {"method": "GET", "route": "/v1/tasks/{task_id}"}

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **route, **labels) - value(before, name, **route, **labels)

    assert grown("todo_requests_total", status="200") == 3
    assert grown("todo_requests_total", status="404") == 1
    assert grown("todo_request_duration_seconds_count") == grown("todo_request_duration_seconds_bucket", le="+Inf") == 4
    assert 0 < grown("todo_request_database_seconds_total") < grown("todo_request_duration_seconds_sum") < 4
    assert (
        value(after, "todo_problems_total", code="not-found") - value(before, "todo_problems_total", code="not-found")
        == 1
    )
    statements = [value(found, "todo_statement_duration_seconds_count", engine="api") for found in (before, after)]
    assert statements[1] - statements[0] == 4


async def test_no_label_is_made_up_by_a_client(alice: Person, client: httpx.AsyncClient) -> None:
    before = {key for key in here() if "made-up" in str(key) or "BREW" in str(key)}
    await client.get("/v1/made-up")
    await client.get("/made-up")
    await client.request("BREW", "/v1/made-up")
    await client.request("BREW", f"/v1/tasks/{alice.id}")
    await alice.http.get("/v1/tasks?cursor=made-up", headers={"X-Request-ID": "made-up"})
    await client.post("/v1/auth/login", json={"email": "made-up@example.com", "password": "made-up-made-up"})

    found = here()

    assert not [key for key in metrics.store.rows if "BREW" in key]  # nor remembered, or memory would grow with each
    assert before == {key for key in found if "made-up" in str(key) or "BREW" in str(key)} == set()
    assert value(found, "todo_requests_total", method="other", route="unmatched", status="404") >= 1
    assert value(found, "todo_requests_total", method="GET", route="unmatched", status="404") >= 2
    assert value(found, "todo_problems_total", code="wrong-credentials") >= 1


def test_pages_are_counted_by_route_and_static_files_as_one(staff: Client) -> None:
    before = here()
    staff.get("/admin/tasks/task/")
    staff.get("/static/todoproject/icon.svg")
    staff.get("/admin/tasks/task/no-such-task/change/", follow=True)
    after = here()

    grown = {key for key in after if key[0] == "todo_requests_total" and after[key] > before.get(key, 0)}
    assert {dict(labels)["route"] for _, labels in grown} >= {
        "/admin/tasks/task/",
        "/admin/tasks/task/{object_id}/change/",
        "/static/{path}",
    }
    assert value(after, "todo_statement_duration_seconds_count", engine="django") > value(
        before, "todo_statement_duration_seconds_count", engine="django"
    )


async def test_second_try_is_counted(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from psycopg import OperationalError

    run_once, broken = Pool._execute_once, [OperationalError("the connection is lost")]

    async def run(self: Pool, *arguments: Any) -> Any:
        if broken:
            raise broken.pop()
        return await run_once(self, *arguments)

    monkeypatch.setattr(Pool, "_execute_once", run)
    before = here()
    assert (await alice.http.get("/v1/tasks")).status_code == 200

    name = "todo_database_retries_total"
    assert value(here(), name, reason="lost") - value(before, name, reason="lost") == 1


async def test_pool_that_runs_dry_shows(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.DATABASE_POOL_SIZE", 1)
    monkeypatch.setattr("django.conf.settings.DATABASE_POOL_TIMEOUT", 1)
    small, wait = Pool(), Statement.unfenced("SELECT pg_advisory_xact_lock(%(key)s)")
    await small.open()
    monkeypatch.setattr(sampler, "pool", small)

    async def until(name: str, count: int) -> None:
        while small.standing()[f"pool_{name}"] != count:  # noqa: ASYNC110 -- the pool tells nobody
            await asyncio.sleep(0.01)

    holder = connect()
    holder.execute("SELECT pg_advisory_lock(20)")
    try:
        await until("idle", 1)
        first = asyncio.create_task(small.execute(wait, {"key": 20}))
        await until("idle", 0)
        second = asyncio.create_task(small.execute(wait, {"key": 21}))
        await until("waiting", 1)
        before = here()
        sampler._look_at_pool()
        busy = here()
        with pytest.raises(DatabaseUnavailable):
            await second
        holder.close()
        await first
        sampler._look_at_pool()
        after = here()
    finally:
        holder.close()
        await small.close()

    assert [value(busy, f"todo_pool_{name}") for name in ("max", "size", "idle", "waiting")] == [1, 1, 0, 1]
    assert [value(after, f"todo_pool_{name}") for name in ("max", "size", "idle", "waiting")] == [1, 1, 1, 0]
    assert value(after, "todo_pool_timeouts_total") - value(before, "todo_pool_timeouts_total") == 1
    assert value(after, "todo_pool_requests_queued_total") - value(before, "todo_pool_requests_queued_total") == 1
    assert 0.2 < value(after, "todo_pool_wait_seconds_total") - value(before, "todo_pool_wait_seconds_total") < 5


async def test_reminders_and_what_webhooks_are_sent_are_counted(alice: Person, settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    with connect(autocommit=True) as direct:  # what other tests have left would count, too
        direct.execute("UPDATE webhooks SET is_enabled = false")
        direct.execute("UPDATE webhooks SET notice = NULL, notice_at = NULL")  # a mail of what has just been done
        direct.execute("UPDATE webhooks_deliveries SET state = 'failed' WHERE state IN ('queued', 'set_aside')")
        direct.execute("DELETE FROM reminders")
    now = datetime.now(UTC)
    ago, ahead = [(now + minutes * timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ") for minutes in (-1, 60)]
    async with receiver() as hook:
        hook.answers = [status(500)]
        await alice.http.post("/v1/webhooks", json={"url": hook.url, "events": ["task.*"]})
        await alice.task(reminders=[{"at": ago}, {"at": ahead}])
        before = here()
        await fire_reminders()
        await send_mails()
        await tell_owners()
        late = await deliver_twice(alice)
    after = here()

    def grown(name: str, outcome: str) -> float:
        return value(after, name, outcome=outcome) - value(before, name, outcome=outcome)

    assert [grown("todo_reminders_total", outcome) for outcome in ("fired", "missed", "dropped")] == [1, 0, 0]
    assert [grown("todo_reminder_mails_total", outcome) for outcome in ("sent", "failed", "unwanted")] == [0, 0, 0]
    assert [grown("todo_webhook_tries_total", outcome) for outcome in ("failed", "delivered")] == [1, 2]
    assert [grown("todo_webhook_mails_total", outcome) for outcome in ("sent", "failed")] == [1, 0]
    assert 3590 < late < 3700
    assert value(after, "todo_webhook_overdue_seconds") == value(after, "todo_reminder_overdue_seconds") == 0


async def deliver_twice(person: Person) -> float:
    """Deliver, let an hour go by in which nobody delivers, and deliver again; return how late it was seen to be."""
    deliveries = Deliveries()
    await deliveries.run()
    with connect(autocommit=True) as direct:
        query = (
            "UPDATE webhooks SET begun_at = now() - interval '2 hours', next_try_at = now() - interval '1 hour'"
            " WHERE user_id = %s"
        )
        assert direct.execute(query, [person.id]).rowcount == 1
    await delivering._next_due()
    late = value(here(), "todo_webhook_overdue_seconds")
    await deliveries.run()
    return late


def test_every_series_of_a_counter_is_there_before_it_counts() -> None:
    fresh = samples(exposition.render(dict, "text/plain")[0].decode())

    assert value(fresh, "todo_problems_total", code="unavailable") == 0
    assert ("todo_problems_total", (("code", "unavailable"),)) in fresh
    assert ("todo_pool_timeouts_total", ()) in fresh


# --- What it costs --------------------------------------------------------------------------------


def test_counting_a_request_takes_no_more_than_a_few_microseconds() -> None:
    def count() -> float:
        started = time.perf_counter()
        for _ in range(1000):
            metrics.count_request("GET", "/v1/tasks", 200, 0.0003, 0.0002)
        return (time.perf_counter() - started) / 1000

    tracer = sys.gettrace()  # of the coverage, which takes ten times as long as what it looks at
    sys.settrace(None)
    try:
        fastest = min(count() for _ in range(20))
    finally:
        sys.settrace(tracer)

    assert fastest < 3e-6  # 0.4 µs on a quiet machine


# --- Routes, for the admin ------------------------------------------------------------------------


def test_routes_tell_the_slowest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "store", Store())
    for milliseconds in range(1, 101):
        metrics.count_request("GET", "/quick", 200, milliseconds / 1e5, 0)
        metrics.count_request("POST", "/slow", 500 if milliseconds > 90 else 201, milliseconds / 1000, 0.5 / 1000)

    slow, quick = metrics.routes()

    assert (slow.method, slow.route, slow.calls, slow.errors, slow.p95_ms) == ("POST", "/slow", 100, 10, 100)
    assert (round(slow.mean_ms, 2), round(slow.database_ms, 2)) == (50.5, 0.5)
    assert (quick.route, quick.calls, quick.errors, quick.p95_ms) == ("/quick", 100, 0, 1)


def test_route_slower_than_all_buckets_has_a_finite_p95(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "store", Store())
    metrics.count_request("GET", "/stuck", 200, 60, 0)

    assert [route.p95_ms for route in metrics.routes()] == [20_000]


# --- GET /metrics ---------------------------------------------------------------------------------


async def test_metrics_are_not_there_without_a_token_in_the_settings(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("sent", ["", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer é"])
async def test_metrics_want_their_token(app: None, monkeypatch: pytest.MonkeyPatch, sent: str) -> None:
    monkeypatch.setattr("django.conf.settings.METRICS_TOKEN", TOKEN)
    async with api_client() as client:
        answer = await client.get("/metrics", headers={"Authorization": sent.encode()})
        good = await client.get("/metrics", headers=BEARER)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert good.status_code == 200
    assert good.headers["Content-Type"].startswith("text/plain; version=")
    assert value(samples(good.text), "todo_requests_total", method="GET", route="/metrics", status="401") >= 1


async def test_token_of_a_person_is_not_the_one_of_the_metrics(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.METRICS_TOKEN", TOKEN)

    assert (await alice.http.get("/metrics")).status_code == 401


# --- Real servers ---------------------------------------------------------------------------------


def scrape(port: int) -> Samples:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return samples(answer.text)


@pytest.fixture(scope="module")
def observed(postgres: None) -> Iterator[tuple[Server, int]]:
    """A server with two workers, and its port for Prometheus."""
    port = free_port()
    with Server("--workers", "2", METRICS_ADDRESS=str(port), METRICS_TOKEN=TOKEN) as server:
        deadline = time.monotonic() + 60
        while value(scrape(port), "todo_workers") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server, port


def children(server: Server) -> list[int]:
    assert server.process is not None
    found = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True)
    names = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in found.stdout.split()}
    return [pid for pid, name in names.items() if "\0--worker\0" in name]


@pytest.mark.faults
def test_both_doors_show_the_sum_over_all_workers(observed: tuple[Server, int]) -> None:
    server, port = observed
    route = {"method": "GET", "route": "/v1/tasks", "status": "401"}
    before = value(scrape(port), "todo_requests_total", **route)
    for _ in range(60):
        httpx.get(f"{server.url}/v1/tasks")  # a connection each, so that both workers get some

    own_port = scrape(port)
    with_token = samples(httpx.get(f"{server.url}/metrics", headers=BEARER).text)

    assert value(own_port, "todo_requests_total", **route) - before == 60
    assert value(with_token, "todo_requests_total", **route) - before == 60
    assert value(own_port, "todo_workers") == 2
    assert value(own_port, "todo_pool_max") == 16
    assert value(own_port, "todo_worker_memory_bytes") > 50e6


@pytest.mark.faults
def test_counters_survive_a_killed_worker(observed: tuple[Server, int]) -> None:
    server, port = observed
    route = {"method": "GET", "route": "/health/live", "status": "200"}
    for _ in range(40):
        httpx.get(f"{server.url}/health/live")
    before = scrape(port)

    victim = children(server)[0]
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 60
    seen = [before]
    while value(seen[-1], "todo_worker_starts_total") < value(before, "todo_worker_starts_total") + 1:
        assert time.monotonic() < deadline
        seen.append(scrape(port))
        time.sleep(0.05)
    seen.append(scrape(port))

    counters = [key for key in before if key[0].endswith(("_total", "_count", "_bucket"))]
    for earlier, later in itertools.pairwise(seen):
        assert not [key for key in counters if later[key] < earlier[key]]
    assert value(seen[-1], "todo_requests_total", **route) == value(before, "todo_requests_total", **route)
    assert min(value(found, "todo_workers") for found in seen) == 1


@pytest.mark.faults
def test_address_in_use_stops_the_start_with_one_line(observed: tuple[Server, int]) -> None:
    _, port = observed
    address = f"127.0.0.1:{port}"

    assert "METRICS_ADDRESS cannot be used: Address already in use" in refuse(str(free_port()), METRICS_ADDRESS=address)
