"""A PostgreSQL URL, read as strictly as libpq would, and before libpq does: a mistake is told at the start.

Pure: the settings call it, and it knows none of them.
"""

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import certifi
import dj_database_url
from psycopg.pq import Conninfo


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
    database["HOST"] = options.pop("host", "") or _host(url)  # libpq, too, lets the parameter win
    if not database["HOST"] or not database["NAME"]:
        raise ValueError("lacks a host or a database name")
    _refuse_parameters(parse_qs(urlsplit(url).query, keep_blank_values=True))
    _verify_tls(str(database["HOST"]), options)
    return database


def _host(url: str) -> str:
    # urlsplit writes names in lower case, which is wrong for the folder of a unix socket (%2Fvar%2FRun).
    raw = urlsplit(url).netloc.rpartition("@")[2].partition(":")[0]
    return unquote(raw) if raw.upper().startswith("%2F") else urlsplit(url).hostname or ""


def _refuse_parameters(parameters: dict[str, list[str]]) -> None:
    if "options" in parameters or "currentSchema" in parameters:
        # PgBouncer, and so Neon's pooled endpoint, refuses the connection with an error that few recognise.
        raise ValueError("must not carry options=… or currentSchema=…: connection poolers refuse it")
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for name, values in parameters.items():
        if name not in known or len(values) > 1:
            # A name that is none may be the rest of a password with a question mark.
            shown = name if re.fullmatch(r"\w{1,40}", name) else "one"
            raise ValueError(f"has a parameter that PostgreSQL does not know, or that comes twice: {shown}")


def _verify_tls(host: str, options: dict[str, Any]) -> None:
    """Make TLS to Neon verified, and give verifying modes a certificate bundle that the psycopg wheel finds."""
    if host.endswith(".neon.tech"):
        options["sslmode"] = "verify-full"
    if str(options.get("sslmode", "")).startswith("verify-") and options.get("sslrootcert", "system") == "system":
        # The OpenSSL inside psycopg's wheel looks for certificates where Debian has none.
        options["sslrootcert"] = certifi.where()
