"""What grows, rots or is stuck."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from todoproject.management.backups import scratch
from todoproject.management.diagnosis.findings import Found, Session

_MANY = 10_000  # rows; with fewer, no plan and no bloat matters


def size(session: Session) -> Iterator[Found]:
    [(whole,)] = session.rows("SELECT pg_size_pretty(pg_database_size(current_database()))")
    tables = session.rows(
        "SELECT format('%%s %%s', relname, pg_size_pretty(pg_total_relation_size(relid))) FROM pg_stat_user_tables"
        " WHERE schemaname = %(schema)s ORDER BY pg_total_relation_size(relid) DESC LIMIT 3"
    )
    yield "size", "ok", f"{whole}; {', '.join(text for (text,) in tables) or 'no tables'}", ""


def dead_rows(session: Session) -> Iterator[Found]:
    rows = session.rows(
        "SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE schemaname = %(schema)s"
        "   AND n_dead_tup > %(many)s AND n_dead_tup > n_live_tup / 5",
        many=_MANY,
    )
    for name, dead, live in rows:
        advice = f"VACUUM {settings.DATABASE_SCHEMA}.{name}; does a long transaction (below) keep autovacuum from it?"
        yield "dead rows", "warning", f"{name}: {dead} beside {live} live ones", advice
    if not rows:
        yield "dead rows", "ok", "few", ""


def statistics(session: Session) -> Iterator[Found]:
    rows = session.rows(
        "SELECT relname FROM pg_stat_user_tables WHERE schemaname = %(schema)s"
        "   AND n_live_tup > %(many)s AND last_analyze IS NULL AND last_autoanalyze IS NULL",
        many=_MANY,
    )
    for (name,) in rows:
        advice = f"ANALYZE {settings.DATABASE_SCHEMA}.{name}: without statistics plans are guesses."
        yield "statistics", "warning", f"{name} was never analyzed", advice


def broken_objects(session: Session) -> Iterator[Found]:
    invalid = session.rows(
        "SELECT c.relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        " WHERE relnamespace = to_regnamespace(%(schema)s) AND NOT (indisvalid AND indisready)"
    )
    for (name,) in invalid:
        advice = f"REINDEX INDEX CONCURRENTLY {settings.DATABASE_SCHEMA}.{name}; a build was cut short."
        yield "indexes", "problem", f"{name} is not valid: it costs and serves nobody", advice
    unproved = session.rows(
        "SELECT conname, relname FROM pg_constraint JOIN pg_class c ON c.oid = conrelid"
        " WHERE relnamespace = to_regnamespace(%(schema)s) AND NOT convalidated"
    )
    for name, table in unproved:
        advice = f"ALTER TABLE {settings.DATABASE_SCHEMA}.{table} VALIDATE CONSTRAINT {name}."
        yield "constraints", "warning", f"{name} of {table} was never validated", advice
    if not invalid and not unproved:
        yield "indexes", "ok", "all valid, and all constraints validated", ""


def long_transactions(session: Session) -> Iterator[Found]:
    rows = session.rows(
        "SELECT pid, coalesce(application_name, ''), state, date_trunc('second', now() - xact_start)::text"
        "  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        "   AND xact_start < now() - interval '5 minutes' ORDER BY xact_start LIMIT 5"
    )
    for process, application, state, age in rows:
        advice = f"If it does nothing of use: SELECT pg_terminate_backend({process})."
        yield "transaction", "warning", f"process {process} ({application}) is {state} for {age}", advice
    waiting = session.rows(
        "SELECT pid, array_to_string(pg_blocking_pids(pid), ', ') FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        "   AND datname = current_database() AND query_start < now() - interval '10 seconds'"
    )
    for process, others in waiting:
        advice = f"Look at what those do; if need be SELECT pg_terminate_backend({others.split(',')[0]})."
        yield "locks", "warning", f"process {process} has waited for more than 10 s for {others}", advice
    if not rows and not waiting:
        yield "transactions", "ok", "none is old, nobody waits long for a lock", ""


def leftovers(session: Session) -> Iterator[Found]:
    for (name,) in session.rows(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %(prefix)s)", prefix=scratch.PREFIX
    ):
        advice = f"Unless a verifybackup runs just now: DROP DATABASE {name} WITH (FORCE)."
        yield "scratch database", "warning", f"{name} was left by a verifybackup that was killed", advice
    for (name,) in session.rows("SELECT gid FROM pg_prepared_xacts WHERE prepared < now() - interval '1 hour'"):
        yield "prepared transaction", "warning", f"{name} holds its locks for ever", f"ROLLBACK PREPARED '{name}'."
    for name, kept in session.rows(
        "SELECT slot_name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))"
        "  FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL"
    ):
        advice = f"If its reader does not come back: SELECT pg_drop_replication_slot('{name}')."
        yield "replication slot", "warning", f"nobody reads {name}, which keeps {kept} of log on the disk", advice


def wraparound(session: Session) -> Iterator[Found]:
    [(age,)] = session.rows("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")
    if age > 500_000_000:
        advice = "VACUUM FREEZE as the owner, after ending old transactions: at 2,000 million the server stops writing."
        yield "transaction ids", "problem", f"the oldest is {age / 1e6:.0f} million transactions old", advice


def purge(session: Session) -> Iterator[Found]:
    if not session.rows("SELECT to_regclass(format('%%I.tasks', %(schema)s)) IS NOT NULL")[0][0]:
        return
    limit = timezone.now() - timedelta(days=settings.TASK_RETENTION_DAYS + 2)
    schema = settings.DATABASE_SCHEMA
    [(oldest,)] = session.rows(f"SELECT min(deleted_at) FROM {schema}.tasks WHERE deleted_at < %(limit)s", limit=limit)  # noqa: S608
    when = _last_purge(session)
    if oldest:
        text = f"tasks deleted on {oldest:%Y-%m-%d} are still there, {settings.TASK_RETENTION_DAYS} days are promised"
        advice = "Does `runserver` run, without BACKGROUND=false? Else run `python manage.py purge` every day."
        yield "purge", "warning", f"{text}; {when}", advice
    else:
        yield "purge", "ok", f"nothing is overdue; {when}", ""


def _last_purge(session: Session) -> str:
    schema = settings.DATABASE_SCHEMA
    if not session.rows("SELECT to_regclass(format('%%I.background_jobs', %(schema)s)) IS NOT NULL")[0][0]:
        return "it is not known when it ran last"
    found = session.rows(f"SELECT ended_at FROM {schema}.background_jobs WHERE name = 'purge'")  # noqa: S608 -- ours
    ended = found[0][0] if found else None
    return f"it was last done at {ended:%Y-%m-%d %H:%M} UTC" if ended else "it was never done to its end"


def reminders(session: Session) -> Iterator[Found]:
    if not session.rows("SELECT to_regclass(format('%%I.reminders', %(schema)s)) IS NOT NULL")[0][0]:
        return
    schema = settings.DATABASE_SCHEMA
    [(oldest, late)] = session.rows(
        f"SELECT min(fires_at), count(*) FROM {schema}.reminders"  # noqa: S608 -- ours
        " WHERE settled_at IS NULL AND fires_at < now() - interval '5 minutes'"
    )
    [(following,)] = session.rows(
        f"SELECT min(fires_at) FROM {schema}.reminders WHERE settled_at IS NULL AND fires_at >= now()"  # noqa: S608 -- ours
    )
    if late:
        text = f"{late} should have fired, the oldest at {oldest:%Y-%m-%d %H:%M} UTC"
        advice = "Does `runserver` run, without BACKGROUND=false? Else start `python manage.py runworker`."
        yield "reminders", "warning", text, advice
    else:
        when = f"the next fires at {following:%Y-%m-%d %H:%M} UTC" if following else "none is set"
        yield "reminders", "ok", f"none is late; {when}", ""


def webhooks(session: Session) -> Iterator[Found]:
    if not session.rows("SELECT to_regclass(format('%%I.webhooks', %(schema)s)) IS NOT NULL")[0][0]:
        return
    schema = settings.DATABASE_SCHEMA
    [(enabled, failing, waiting)] = session.rows(
        "SELECT count(*), count(failing_since), count(*) FILTER (WHERE users.change_no > position"  # noqa: S608 -- ours
        " AND users.changed_at < now() - interval '5 minutes'"
        " AND coalesce(leased_until, next_try_at, begun_at) < now() - interval '5 minutes')"
        f" FROM {schema}.webhooks JOIN {schema}.users ON users.id = user_id WHERE is_enabled AND is_active"
    )
    if waiting:
        text = f"{waiting} of {enabled} have not been told of what has happened more than five minutes ago"
        advice = "Does `runserver` run, without BACKGROUND=false? Else start `python manage.py runworker`."
        yield "webhooks", "warning", text, advice
    elif failing:
        yield "webhooks", "note", f"{failing} of {enabled} fail", "Their owners are told after three days."
    else:
        yield "webhooks", "ok", f"{enabled} enabled, none fails", ""
