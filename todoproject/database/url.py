"""A PostgreSQL URL, read as strictly as libpq would, and before libpq does: a mistake is told at the start.

Pure: the settings call it, and it knows none of them.
"""

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import certifi
import dj_database_url
from psycopg.pq import Conninfo

from todoproject.database import embedded


def parse(url: str) -> dict[str, Any]:
    """Return the URL as a Django database. Raises ValueError, whose message never holds the password."""
    if not url.lower().startswith(("postgres://", "postgresql://")):
        raise ValueError("is neither the word embedded nor a postgresql:// URL")
    try:
        parts = urlsplit(url)
        # A / in a password ends the host too early: the rest, with its @, would pass for the database's name.
        if re.search(r"[\s#]", url) or parts.port == 0 or re.search("[/@]", parts.path[1:]):
            raise ValueError
        database: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError:  # whose message may hold the password
        raise ValueError(
            "cannot be read: a port is a number from 1 to 65535, and special characters in a password are "
            "percent-encoded (# is %23, / is %2F, @ is %40)"
        ) from None
    options: dict[str, Any] = database.setdefault("OPTIONS", {})
    database["HOST"] = _host(url)
    parameters = parse_qs(urlsplit(url).query, keep_blank_values=True)
    for name in parameters.keys() & _PLACES.keys():  # libpq, too, lets them win; who asks where this is looks here only
        database[_PLACES[name]] = parameters[name][-1]
        options.pop(name, None)
    if not re.fullmatch(r"|[1-9]\d{0,4}", str(database["PORT"])) or int(database["PORT"] or 1) > _LAST_PORT:
        raise ValueError("has port=…, which is no number from 1 to 65535")
    if not database["HOST"] or not database["NAME"]:
        raise ValueError("lacks a host or a database name")
    _refuse_parameters(parameters)
    _verify_tls(str(database["HOST"]), options)
    return database


def parse_or_embedded(text: str, data_folder: Path) -> dict[str, Any]:
    """Return a PostgreSQL URL, or our own server for the word `embedded`, as a Django database. Raises ValueError."""
    if text != "embedded":
        return parse(text)
    try:
        socket = embedded.socket_directory(data_folder)
    except embedded.EmbeddedServerError as error:  # Windows
        raise ValueError(f"cannot be used: {error}") from error
    database = {"NAME": embedded.DATABASE, "USER": embedded.OWNER, "PASSWORD": "", "HOST": str(socket)}
    return {**database, "PORT": "5432", "OPTIONS": {}}


def without_pooler(database: dict[str, Any]) -> dict[str, Any]:
    """Return the same database, past Neon's pooler: the direct endpoint is the pooled one's name without "-pooler"."""
    return {**database, "HOST": re.sub(r"^(ep-[^.]+)-pooler\.", r"\1.", database["HOST"])}


_PLACES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
_LAST_PORT = 65_535


def _host(url: str) -> str:
    # urlsplit writes names in lower case, which is wrong for the folder of a unix socket (%2Fvar%2FRun).
    raw = urlsplit(url).netloc.rpartition("@")[2].partition(":")[0]
    return unquote(raw) if raw.upper().startswith("%2F") else urlsplit(url).hostname or ""


_REFUSED = {
    # PgBouncer, and so Neon's pooled endpoint, refuses the connection with an error that few recognise.
    "options": "connection poolers refuse it",
    "currentSchema": "connection poolers refuse it",
    "connect_timeout": "it is the setting DATABASE_CONNECT_TIMEOUT_SECONDS",
    "replication": "that is no connection for statements",
    "service": "a file elsewhere would decide what is connected to, and how safely",
}
# libpq refuses another value only when it connects, and Django's checks do not.
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def _refuse_parameters(parameters: dict[str, list[str]]) -> None:
    for name in parameters.keys() & _REFUSED.keys():
        raise ValueError(f"must not carry {name}=…: {_REFUSED[name]}")
    for name in parameters.keys() & set(_FILES):
        path = parameters[name][0]
        if not Path(path).is_file() and (name, path) != ("sslrootcert", "system"):
            raise ValueError(f"has {name}=…, which is not the path of a file")
    for name in parameters.keys() & _CHOICES.keys():
        if parameters[name][0] not in _CHOICES[name]:
            raise ValueError(f"has {name}=…, which is none of {', '.join(_CHOICES[name])}")
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for name, values in parameters.items():
        if name not in known or len(values) > 1:
            # A name that is none may be the rest of a password with a question mark.
            shown = name if re.fullmatch(r"\w{1,40}", name) else "one"
            raise ValueError(f"has a parameter that PostgreSQL does not know, or that comes twice: {shown}")


def _verify_tls(host: str, options: dict[str, Any]) -> None:
    """Ask for TLS wherever the way is longer than this machine, and for as much of it as can be had.

    Verifying modes get a certificate bundle that the psycopg wheel finds: the OpenSSL inside it looks for certificates
    where Debian has none.
    """
    is_system = options.get("sslrootcert") == "system"
    # libpq demands it for the system's certificates, too: anybody can have one of those, for a name of their own.
    if host.lower().endswith(".neon.tech") or (is_system and options.get("sslmode") != "verify-ca"):
        options["sslmode"] = "verify-full"
    _refuse_plain(str(options.get("hostaddr") or host), options)
    if str(options.get("sslmode", "")).startswith("verify-") and options.get("sslrootcert", "system") == "system":
        options["sslrootcert"] = certifi.where()


def _refuse_plain(host: str, options: dict[str, Any]) -> None:
    """Make TLS the default beyond this machine; take a plain connection only when asked for, and near by."""
    if _is_here(host):
        return
    mode = options.setdefault("sslmode", "require")  # libpq's own default goes on in clear where TLS fails
    if mode in ("allow", "prefer"):
        raise ValueError(f"has sslmode={mode}, which may go on without TLS: say require, verify-full or disable")
    if mode == "disable" and not _is_near(host):
        raise ValueError("has sslmode=disable, and the password would cross a public network: say verify-full")


def _is_here(host: str) -> bool:
    return host.startswith("/") or host == "localhost" or _is_address(host, "is_loopback")


def _is_near(host: str) -> bool:
    """Tell whether a host is in a private network: its address is, or no public name looks like this."""
    return (
        "." not in host.replace(":", ".") or host.endswith((".internal", ".local")) or _is_address(host, "is_private")
    )


def _is_address(host: str, kind: str) -> bool:
    try:
        return bool(getattr(ipaddress.ip_address(host), kind))
    except ValueError:
        return False
