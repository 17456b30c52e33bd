"""The numbers in Prometheus' words. docs/monitoring.md and the dashboard's queries are held to it."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from todoproject.http.problems import CATALOGUE
from todoproject.observability.metrics import BACKGROUND_JOBS, BOUNDS, ENGINES, RETRY_REASONS
from todoproject.observability.metrics.store import GAUGE, Key, Numbers
from todoproject.version import VERSION

Totals = dict[Key, list[float]]

# What `metrics.count` adds to, by its short name: the name in Prometheus, what it is, each label and all its values.
# Every series is there from the start, at zero: Prometheus sees no increase in a first value.
COUNTERS: dict[str, tuple[str, str, dict[str, Sequence[str]]]] = {
    "problem": ("todo_problems", "Problem documents answered.", {"code": [*CATALOGUE]}),
    "slow": ("todo_slow_statements", "Statements that took longer than SLOW_QUERY_MILLISECONDS.", {"engine": ENGINES}),
    "retry": ("todo_database_retries", "Statements sent a second time.", {"reason": RETRY_REASONS}),
    "start": ("todo_worker_starts", "Workers started; more than WORKERS means that some were replaced.", {}),
    "log_dropped": ("todo_log_lines_dropped", "Log lines for which their reader left no room.", {}),
    "cpu": ("todo_worker_cpu_seconds", "Processor time of the workers.", {}),
    "pool_queued": ("todo_pool_requests_queued", "Requests that had to wait for a connection.", {}),
    "pool_wait": ("todo_pool_wait_seconds", "Time they have waited.", {}),
    "pool_timeout": ("todo_pool_timeouts", "Those that got none in time.", {}),
    "pool_connect": ("todo_pool_connects", "Connections opened.", {}),
    "pool_connect_error": ("todo_pool_connect_errors", "Tries to open one that failed.", {}),
    "reminder": ("todo_reminders", "Reminders settled.", {"outcome": ("fired", "missed", "dropped")}),
    "reminder_mail": ("todo_reminder_mails", "Mails of reminders.", {"outcome": ("sent", "failed", "unwanted")}),
    "webhook": ("todo_webhook_tries", "Requests to webhooks.", {"outcome": ("delivered", "failed")}),
    "webhook_mail": (
        "todo_webhook_mails",
        "Mails about webhooks.",
        {"outcome": ("sent", "failed", "put_off", "given_up")},
    ),
    "background_run": ("todo_background_runs", "Jobs begun in the background.", {"work": BACKGROUND_JOBS}),
    "background_failure": ("todo_background_failures", "Those that failed.", {"work": BACKGROUND_JOBS}),
    "pool_ended": ("todo_pool_connections_ended", "Connections that have ended, by us or by the server.", {}),
}
# What `Store.put` says, by its short name; sums over the workers that live.
GAUGES: dict[str, tuple[str, str]] = {
    "workers": ("todo_workers", "Workers that live."),
    "schema_behind": ("todo_schema_behind", "Workers that /health/ready has told of migrations not applied."),
    "memory": ("todo_worker_memory_bytes", "Resident memory of the workers."),
    "pool_max": ("todo_pool_max", "Connections that the pools may hold."),
    "pool_size": ("todo_pool_size", "Connections that the pools hold."),
    "pool_idle": ("todo_pool_idle", "Connections that nobody uses."),
    "pool_waiting": ("todo_pool_waiting", "Requests that wait for a connection."),
    "streams": ("todo_streams", "Live streams that are open."),
    "background": ("todo_background_processes", "Processes that do the jobs in the background."),
    "webhook_overdue": ("todo_webhook_overdue_seconds", "How late the oldest event is that waits for a webhook."),
    "reminder_overdue": ("todo_reminder_overdue_seconds", "How late the oldest reminder is that is still to fire."),
}


class Exposition(Collector):
    """Families for Prometheus' library, made anew for each scrape from what `totals` returns."""

    def __init__(self, totals: Callable[[], Totals]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        totals = self._totals()
        yield InfoMetricFamily("todo_build", "The version that serves.", value={"version": VERSION})
        yield from _requests({key[1:]: numbers for key, numbers in totals.items() if key[0] == "request"})
        yield _statements(totals)
        for short, (name, description, labels) in COUNTERS.items():
            counter = CounterMetricFamily(name, description, labels=list(labels))
            for values in itertools.product(*labels.values()):
                counter.add_metric(values, sum(totals.get((short, *values), [0.0])))
            yield counter
        for short, (name, description) in GAUGES.items():
            yield GaugeMetricFamily(name, description, value=sum(totals.get((GAUGE, short), [0.0])))


def render(totals: Callable[[], Totals], accept: str) -> tuple[bytes, str]:
    """Return the numbers and their media type, as the scraper's Accept header wants them."""
    encode, media_type = choose_encoder(accept)
    return encode(Exposition(totals)), media_type


def _requests(rows: dict[Key, list[float]]) -> Iterable[Metric]:
    counter = CounterMetricFamily("todo_requests", "Requests answered.", labels=["method", "route", "status"])
    database = CounterMetricFamily(
        "todo_request_database_seconds", "Time that requests waited for the database.", labels=["method", "route"]
    )
    durations = HistogramMetricFamily(
        "todo_request_duration_seconds", "Time from the request to its answer.", labels=["method", "route"]
    )
    routes: dict[Key, list[float]] = {}
    for key, numbers in rows.items():
        counter.add_metric(list(key), sum(numbers[2:]))
        before = routes.get(key[:2], [0.0] * len(numbers))
        routes[key[:2]] = [one + other for one, other in zip(before, numbers, strict=True)]
    for key, (seconds, database_seconds, *buckets) in routes.items():
        durations.add_metric(list(key), _cumulative(buckets), seconds)
        database.add_metric(list(key), database_seconds)
    return counter, durations, database


def _statements(totals: Totals) -> Metric:
    family = HistogramMetricFamily(
        "todo_statement_duration_seconds", "Time from a message to the database to its answer.", labels=["engine"]
    )
    for key, (seconds, *buckets) in totals.items():
        if key[0] == "statement":
            family.add_metric([key[1]], _cumulative(buckets), seconds)
    return family


def _cumulative(buckets: Numbers) -> list[tuple[str, float]]:
    """Return buckets as Prometheus has them: each holds all that was faster, too."""
    ends = [*map(str, BOUNDS), "+Inf"]
    return [(end, sum(buckets[: index + 1])) for index, end in enumerate(ends)]
