"""The way to the database: how long it takes, who can listen, and whether a pooler stands in between."""

import ipaddress
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from todoproject.management.diagnosis.findings import Finding, Found, Level, Session, grave

_ROUND_TRIPS = 15
_SLOW_MILLISECONDS = 20  # every request is one round trip, so this is what each one waits at least

# A connect error carries no code: its text is all there is.
_ADVICE = {
    "password authentication failed": "Look up user and password with your provider; a password may have been changed.",
    "no pg_hba.conf entry": "The server lets nobody in from here, or not without TLS: allow it, or set sslmode.",
    "does not exist": "Create it, or correct the name in the URL.",
    "certificate": "The server shows another certificate than expected: check the host's name, and sslrootcert.",
    "could not translate host name": "Check the host's name in the URL, and this machine's DNS.",
    "name or service not known": "Check the host's name in the URL, and this machine's DNS.",
    "endpoint": "Look at the endpoint in Neon's console: it may be deleted, disabled or renamed.",
    "quota": "Neon's quota is used up: raise it, or wait for the next period.",
    "too many": "All connections are in use: fewer WORKERS × DATABASE_POOL_SIZE, or a pooler.",
    "slots are reserved": "All connections are in use: fewer WORKERS × DATABASE_POOL_SIZE, or a pooler.",
    "connection refused": "Nothing listens there: start the server, or correct host and port.",
    "timeout": "Nothing answers: check host and port, firewalls, and the provider's status page.",
}


@dataclass(frozen=True)
class Link:
    """One of the two URLs."""

    name: str
    connection: BaseDatabaseWrapper
    is_direct: bool  # what migrations and backups use

    @property
    def address(self) -> str:
        known = self.connection.settings_dict
        port = f":{known['PORT']}" if known["PORT"] and not known["HOST"].startswith("/") else ""
        return f"{known['HOST']}{port}, database {known['NAME']}, user {known['USER']}"


class Unreachable(Exception):
    """No connection; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def open_session(link: Link) -> tuple[Session, list[Finding]]:
    """Connect, measure, and look at the way. Raises Unreachable."""
    started = time.perf_counter()
    try:
        link.connection.ensure_connection()
    except OperationalError as error:
        reason = " ".join(str(error).split())
        advice = next((advice for words, advice in _ADVICE.items() if words in reason.lower()), "")
        raise Unreachable(Finding(link.name, "connection", "problem", reason, advice)) from error
    connected = time.perf_counter()
    raw = link.connection.connection
    [(process,)] = raw.execute("SELECT pg_backend_pid()").fetchall()
    first = time.perf_counter() - connected
    # A pooler has handed us a number of its own making for the server's process.
    session = Session(link.connection, is_pooled=process != raw.info.backend_pid)
    found = [_latency(session, connected - started, first), _tls(session), _pooler(link, session), _clock(session)]
    return session, [Finding(link.name, *one) for one in found]


def _latency(session: Session, connect: float, first: float) -> Found:
    trips = []
    for _ in range(_ROUND_TRIPS):
        started = time.perf_counter()
        session.raw.execute("SELECT 1")
        trips.append((time.perf_counter() - started) * 1000)
    median = statistics.median(trips)
    text = (
        f"connected in {connect * 1000:.0f} ms, first query {first * 1000:.1f} ms, round trip {median:.1f} ms"
        f" (median of {_ROUND_TRIPS}, worst {max(trips):.1f})"
    )
    if median < _SLOW_MILLISECONDS:
        return "connection", "ok", text, ""
    return "connection", "warning", text, "Run the service in the region of the database."


def _tls(session: Session) -> Found:
    host = session.connection.settings_dict["HOST"]
    if host.startswith("/"):
        return "TLS", "ok", "not needed: a socket on this machine", ""
    if not session.raw.pgconn.ssl_in_use:
        level: Level = "note" if _is_this_machine(session.raw.info.hostaddr) else grave()
        return "TLS", level, "none: everything travels in clear", "Append sslmode=verify-full to the URL."
    mode = session.raw.info.get_parameters().get("sslmode", "prefer")
    words = {"verify-full": "certificate and name verified", "verify-ca": "certificate verified, but not its name"}
    text = f"{_cipher(session)}{words.get(mode, 'but nobody has verified with whom')}"
    if mode == "verify-full":
        return "TLS", "ok", text, ""
    return "TLS", "warning", text, "Put sslmode=verify-full into the URL, so that nobody can step in between."


def _is_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _cipher(session: Session) -> str:
    if session.is_pooled:  # what the server would tell is the pooler's way to it, not ours
        return "encrypted to the pooler, "
    [(version, cipher)] = session.rows("SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    return f"{version} {cipher}, " if version else "encrypted to a proxy, "  # as in front of every Neon compute


def _pooler(link: Link, session: Session) -> Found:
    on_neon = re.match(r"ep-[^.]+\.", session.connection.settings_dict["HOST"])
    if session.is_pooled and link.is_direct:
        advice = (
            "Give DIRECT_DATABASE_URL the server's own address: migrations and backups need a session of their own."
        )
        return "pooler", "problem", "a pooler stands in between, also for migrations and backups", advice
    if session.is_pooled:
        return "pooler", "ok", "through a pooler", ""
    if on_neon and link.name == "DATABASE_URL":
        return "pooler", "warning", "none", "Use Neon's pooled host (…-pooler…) in DATABASE_URL."
    return "pooler", "ok", "none: straight to the server", ""


def _clock(session: Session) -> Found:
    before = time.time()
    [(theirs,)] = session.rows("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    skew = theirs - (before + after) / 2
    direction, doubt = "ahead of" if skew > 0 else "behind", (after - before) / 2
    text = f"{abs(skew) * 1000:.0f} ms {direction} this machine's, ± {doubt * 1000:.0f}"
    if abs(skew) < 1:
        return "clock", "ok", text, ""
    return "clock", "warning", text, "Keep time by NTP: expiries are decided by the database's clock, sessions by ours."


def same_database(pooled: Session, direct: Session) -> Iterator[Found]:
    """Compare where the two URLs lead to: migrations must change what is served."""
    query = "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"
    ours, theirs = pooled.rows(query), direct.rows(query)
    if ours != theirs:
        yield "same database", "problem", "the two URLs lead to different servers", "Correct DIRECT_DATABASE_URL."
    else:
        yield "same database", "ok", "both URLs lead to it", ""


def links(default: BaseDatabaseWrapper, straight: BaseDatabaseWrapper) -> list[Link]:
    """Return the URLs to look at; one where both are the same."""
    keys: list[Any] = ["HOST", "PORT", "USER", "PASSWORD"]
    is_same = all(default.settings_dict[key] == straight.settings_dict[key] for key in keys)
    if is_same:
        return [Link("DATABASE_URL", default, is_direct=True)]
    direct = Link("DIRECT_DATABASE_URL", straight, is_direct=True)
    return [Link("DATABASE_URL", default, is_direct=False), direct]
