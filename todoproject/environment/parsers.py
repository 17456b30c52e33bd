"""What a variable's text may be: each parser returns the value, or raises ValueError with what is wrong about the text.

The message goes on from the variable's name ("PORT is not …"), and never repeats the text: it may be a secret.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path


def boolean(text: str) -> bool:
    words = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in words:
        raise ValueError("is neither true nor false")
    return words[text.lower()]


def number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        match = next((word for word in words if word.lower() == text.lower()), None)
        if match is None:
            raise ValueError(f"is not one of {', '.join(words)}")
        return match

    return parse


def items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def hosts(text: str) -> list[str]:
    for host in items(text):
        # Django compares these with a name and nothing else: what does not look like one would match nobody.
        if not re.fullmatch(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]", host):
            raise ValueError(
                "holds something that is not a host name (no scheme, port or path; .example.com is all below it)"
            )
    return items(text)


def exact_hosts(text: str) -> list[str]:
    """Parse exact hosts, as they stand in a URL: names in lower case, or addresses without brackets."""
    for host in items(text):
        if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+", host):
            raise ValueError("holds something that is not a host by its exact name (lower case, no port, no *)")
    return items(text)


def origins(text: str) -> list[str]:
    for origin in items(text):
        if not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError("holds something that is not an origin (scheme and host, no path)")
    return items(text)


def page_origins(text: str) -> list[str]:
    for origin in items(text):
        # Browsers send lower case and no default port: what is written otherwise would match nobody.
        if not re.fullmatch(
            r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?|" + _APP_ORIGIN, origin
        ) or re.fullmatch(r"http:.*:80|https:.*:443", origin):
            raise ValueError("holds something that is not an origin as browsers send it (lower case, no default port)")
    return items(text)


# Apps in a web view: capacitor://localhost, ionic://, tauri://localhost. Not what browsers fetch pages by.
_APP_ORIGIN = r"(?!(?:https?|ftps?|wss?|file|data|blob|about|javascript):)[a-z][a-z0-9+.-]*://[a-z0-9._-]*"


def doors(text: str) -> list[str]:
    if text == "off":
        return []
    if not set(items(text)) <= {*KNOWN_DOORS}:
        raise ValueError(f"names a door that there is not; say {', '.join(KNOWN_DOORS)}, or off for none")
    return items(text)


KNOWN_DOORS = ("todoist", "mcp", "calendar", "todo-backend")


def networks(text: str) -> list[str]:
    for item in items(text):
        network = ipaddress.ip_network(item)  # its ValueError says what is wrong with which part
        if network.version == 6 and network.network_address.ipv4_mapped:
            raise ValueError("holds an IPv4 network in IPv6 notation; write it as IPv4, which matches both")
    return items(text)


def limit(text: str) -> tuple[int, int] | None:
    """Parse `requests/seconds`; None for the word `off`. Raises ValueError."""
    if text == "off":
        return None
    match = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= 1_000_000 or not 1 <= int(match[2]) <= 86_400:
        raise ValueError("is neither requests/seconds (up to 1000000/86400) nor the word off")
    return int(match[1]), int(match[2])


def rate(text: str) -> tuple[int, int]:
    """Parse `requests/seconds`. Raises ValueError."""
    if (parsed := limit(text)) is None:
        raise ValueError("cannot be off by itself: leave it out, or set RATE_LIMIT=off")
    return parsed


def schema_name(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", text) or text.startswith("pg_") or text == "public":
        raise ValueError("is not a schema name of lower-case letters, digits and _ (public and pg_… are not allowed)")
    return text


def role_prefix(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,54}", text) or text.startswith("pg_"):
        raise ValueError("is not the beginning of a role's name, of lower-case letters, digits and _ (not pg_…)")
    return text


def email_address(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("is not an e-mail address")
    return text


def public_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", text):
        raise ValueError("is not an address of web pages (http:// or https://, no query)")
    return text.rstrip("/")


def old_secrets(text: str) -> list[str]:
    if any(len(key) < 16 for key in items(text)):
        raise ValueError("holds something too short to have been a key (several are separated by commas)")
    return items(text)


def secret(text: str) -> str:
    if "generate-me" in text or "insecure" in text:
        raise ValueError("is still the placeholder; `make run` writes a random one into a new .env")
    if len(text) < 32 or len(set(text)) < 8:
        raise ValueError("is too short or too simple to be a secret (at least 32 characters of real randomness)")
    return text


def file(text: str) -> Path:
    if not Path(text).exists() or Path(text).is_dir():
        raise ValueError("is not the path of a file")
    return Path(text)


def milliseconds(text: str) -> float:
    """Parse whole milliseconds into seconds; the word `off` is never. Raises ValueError."""
    return math.inf if text == "off" else number(1, 600_000)(text) / 1000


def listener(text: str) -> tuple[str, int]:
    """Parse `[HOST:]PORT`. Raises ValueError."""
    match = re.fullmatch(r"(?:([\w.-]+|\[[0-9A-Fa-f:.]+\]):)?([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[2]) <= 65535:
        raise ValueError("is not [HOST:]PORT")
    return (match[1] or "127.0.0.1").strip("[]"), int(match[2])


def needing(module: str, install: str, parse: Callable[[str], str]) -> Callable[[str], str]:
    """Parse a setting that needs a package which requirements.txt does not have."""

    def parse_where_installed(text: str) -> str:
        value = parse(text)
        try:
            is_there = find_spec(module) is not None
        except ModuleNotFoundError:  # of a package around it
            is_there = False
        if not is_there:
            raise ValueError(f"needs a package that is not installed: pip install {install}")
        return value

    return parse_where_installed


def folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("is not a folder")
    return Path(text)


def endpoint(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ValueError("is not an http:// or https:// address")
    return text.rstrip("/")


def dsn(text: str) -> str:
    if not re.fullmatch(r"https?://[0-9A-Za-z]+@[^\s/?#@]+/(?:[^\s?#]*/)?[0-9]+", text):
        raise ValueError("is not a Sentry DSN")
    return text
