"""The server: its version, its settings, and the role that we are on it."""

from collections.abc import Iterator

import psycopg
from django.conf import settings

from todoproject.management.backups import programs
from todoproject.management.backups.errors import BackupError
from todoproject.management.diagnosis.findings import Found, Level, Session, grave
from todoproject.monitoring import readiness


def versions(session: Session) -> Iterator[Found]:
    server = session.raw.info.server_version
    [(name,)] = session.rows("SHOW server_version")
    problem = readiness.outdated(session.connection)
    advice = "Move to a newer PostgreSQL: pg_upgrade, or backup and restore." if problem else ""
    yield "PostgreSQL", "problem" if problem else "ok", problem or name, advice
    client = psycopg.pq.version()
    yield "client", "ok", f"psycopg {psycopg.__version__}, libpq {client // 10_000}.{client % 10_000}", ""
    try:
        program = programs.find("pg_dump", server // 10_000)
        yield "backup program", "ok", f"pg_dump {program.major}, {program.path}", ""
    except BackupError as error:
        reason, _, advice = str(error).partition(": ")
        yield "backup program", "warning", reason, f"{advice[:1].upper()}{advice[1:]}."


def recovery(session: Session) -> Iterator[Found]:
    [(is_replica,)] = session.rows("SELECT pg_is_in_recovery()")
    if is_replica:
        yield "replica", "problem", "this server is a replica and cannot be written", "Use the primary's address."


def encoding(session: Session) -> Iterator[Found]:
    [(encoding, collation, known, actual)] = session.rows(
        "SELECT pg_encoding_to_char(encoding), datcollate, datcollversion, pg_database_collation_actual_version(oid)"
        "  FROM pg_database WHERE datname = current_database()"
    )
    if encoding != "UTF8":
        yield "encoding", "problem", encoding, "Move to a database made with ENCODING 'UTF8': backup, then restore."
    elif known != actual:
        text = f"UTF8, {collation}: made with collation version {known}, the server now has {actual}"
        yield (
            *("encoding", "warning", text),
            "REINDEX DATABASE CONCURRENTLY, then ALTER DATABASE … REFRESH COLLATION VERSION.",
        )
    else:
        yield "encoding", "ok", f"{encoding}, {collation}", ""


def role(session: Session) -> Iterator[Found]:
    [(name, is_super, bypasses, makes_roles, makes_databases)] = session.rows(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    )
    rights = [
        ("SUPERUSER", is_super),
        ("BYPASSRLS", bypasses),
        ("CREATEROLE", makes_roles),
        ("CREATEDB", makes_databases),
    ]
    text = f"{name}: {', '.join(right for right, has in rights if has) or 'no rights beyond its own tables'}"
    if is_super:
        yield (
            "role",
            "warning",
            text,
            "Let the service log in as a role that is no superuser and owns only this database.",
        )
    elif not makes_roles:
        advice = f"ALTER ROLE {name} CREATEROLE, if a migration fails to make a role."
        yield "role", "note", text, advice
    else:
        # BYPASSRLS is what Neon gives every role of its console: requests give it up by taking on todo_api.
        yield "role", "ok", text, ""


def session_settings(session: Session) -> Iterator[Found]:
    [(path, zone)] = session.rows("SELECT current_setting('search_path'), current_setting('timezone')")
    if path != settings.DATABASE_SCHEMA:
        yield "search_path", "problem", f"{path}: our tables are in {settings.DATABASE_SCHEMA}", _MIGRATE
    else:
        yield "search_path", "ok", path, ""
    yield "time zone", "ok" if zone == "UTC" else "warning", zone, "" if zone == "UTC" else _MIGRATE


_SHORT_MILLISECONDS = 60_000
_MIGRATE = "Run `python manage.py migrate`: it sets this for our role. Sessions of a pooler take it up as they end."
_SAFE = {
    "fsync": "Set fsync = on: a power cut can destroy everything.",
    "full_page_writes": "Set full_page_writes = on: a power cut can destroy pages.",
    "synchronous_commit": "Set synchronous_commit = on: a crash loses writes that were answered.",
    "autovacuum": "Set autovacuum = on: tables only grow without it, and in the end the server stops writing.",
    "track_counts": "Set track_counts = on: autovacuum needs it.",
}


def durability(session: Session) -> Iterator[Found]:
    rows = session.rows("SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s)", names=list(_SAFE))
    off = [name for name, value in rows if value == "off"]
    for name in off:
        yield name, grave(), "off", _SAFE[name]
    if not off:
        yield "durability", "ok", ", ".join(f"{name} {value}" for name, value in rows), ""


def timeouts(session: Session) -> Iterator[Found]:
    names = ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"]
    # Not the current value: these checks have limits of their own.
    rows = session.rows("SELECT name, reset_val::int FROM pg_settings WHERE name = ANY(%(names)s)", names=names)
    text = ", ".join(f"{name} {value} ms" if value else f"{name} none" for name, value in rows)
    statement = dict(rows).get("statement_timeout", 0)
    if 0 < statement < _SHORT_MILLISECONDS:
        advice = "Lift statement_timeout for this role: it cuts migrations and backups short, and the API sets its own."
        yield "timeouts", "warning", text, advice
    else:
        yield "timeouts", "ok", text, ""


def connections(session: Session) -> Iterator[Found]:
    [(most, reserved, used)] = session.rows(
        "SELECT current_setting('max_connections')::int,"
        "       (SELECT coalesce(sum(setting::int), 0) FROM pg_settings"
        "         WHERE name IN ('superuser_reserved_connections', 'reserved_connections')),"
        "       (SELECT sum(numbackends) FROM pg_stat_database)"
    )
    wanted = settings.WORKERS * (settings.DATABASE_POOL_SIZE + 1) + 2  # one for the admin; a command, a migration
    text = f"{used} in use of {most - reserved}; {settings.WORKERS} workers want up to {wanted}"
    level: Level = "ok"
    advice = ""
    if wanted > most - reserved:
        level, advice = "problem", "Lower WORKERS or DATABASE_POOL_SIZE, or raise max_connections (a larger compute)."
    elif used > 0.8 * (most - reserved):
        level, advice = "warning", "Look who holds them: SELECT usename, application_name, state FROM pg_stat_activity."
    yield "connections", level, text, advice


def habits(session: Session) -> Iterator[Found]:
    names = ["work_mem", "default_transaction_isolation", "default_transaction_read_only", "log_statement", "jit"]
    names += ["log_min_duration_statement"]
    rows = session.rows("SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s)", names=names)
    has = {str(name): str(value) for name, value in rows}
    if int(has.get("work_mem", 4096)) < 4096:
        yield "work_mem", "warning", f"{has['work_mem']} kB", "Set work_mem to 4 MB or more: sorts go to disk."
    if has.get("default_transaction_isolation", "read committed") != "read committed":
        advice = "Set default_transaction_isolation = 'read committed': our transactions are written for it."
        yield "isolation", "warning", has["default_transaction_isolation"], advice
    if has.get("default_transaction_read_only") == "on":
        yield (
            "read only",
            "problem",
            "default_transaction_read_only is on",
            "Set it off; some providers set it on a full disk, and a restore that was killed leaves it:"
            " ALTER ROLE … IN DATABASE … RESET default_transaction_read_only.",
        )
    if has.get("log_statement") in ("all", "mod") or has.get("log_min_duration_statement") == "0":
        advice = "Set log_statement = none and log_min_duration_statement = 1000: the log holds what people write."
        yield "server's log", "warning", "every statement is logged, with its values", advice
