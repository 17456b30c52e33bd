"""Every setting of the project, top to bottom.

The environment (and the file `.env`, which never overrides it) is read here and nowhere else. A missing, malformed
or misspelt value is a line that names the variable, what was wrong and an example. All such lines come at once, as one
`ImproperlyConfigured`; `manage.py` and `asgi.py` print them and end with exit code 1. `.env.example` documents each
variable.
"""

import difflib
import io
import ipaddress
import math
import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from todoproject.database import embedded, url
from todoproject.mail import url as mail_url

BASE_DIR = Path(__file__).resolve().parent.parent
T = TypeVar("T")

# --- Reading the environment ----------------------------------------------------------------------

ENVIRONMENT_VARIABLES: dict[str, str] = {}  # every name read below, with its example; a test holds .env.example to it
_REQUIRED: Any = object()
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_line_numbers: dict[str, int] = {}  # the names in the .env file, and where they are
_mistakes: dict[str, str] = {}  # the first one of each name
# What somebody has pasted and not filled in: <at least 32 random characters>, $(python3 -c …), generate-me.
_UNFILLED = re.compile(r"<.*>|.*generate-me.*|[\"']?(\$\(|`|python3? -c).*", re.DOTALL)


def _refuse(name: str, problem: str) -> None:
    """Note a mistake, unless what it says of another setting rests on a value that is a mistake itself."""
    if not _mistakes.keys() & set(re.findall(r"[A-Z_]{4,}", f"{name} {problem}")):
        _mistakes[name] = f"{name} {problem}. Example: {name}={ENVIRONMENT_VARIABLES[name]}"


def _stop_on_mistakes() -> None:
    if _mistakes:
        raise ImproperlyConfigured("\ntodoproject: ".join(_mistakes.values()))


def _read(name: str, parse: Callable[[str], T], *, example: str, default: Any = _REQUIRED, stand_in: Any = None) -> T:
    """Return a setting. After a mistake in it, the default, or what else the rest of this file can be read with."""
    ENVIRONMENT_VARIABLES[name] = example
    otherwise = stand_in if default is _REQUIRED else default
    text = os.environ.get(name, "").strip()
    if not text:
        if default is _REQUIRED:
            near = difflib.get_close_matches(name, _line_numbers.keys() - {name}, n=1, cutoff=0.8)
            _refuse(name, f"is missing (is it the misspelt {near[0]}?)" if near else "is missing")
        return otherwise  # type: ignore[no-any-return]  # the default is the caller's, of the caller's type
    try:
        if _UNFILLED.fullmatch(text):
            raise ValueError("is a placeholder, or a command that nothing runs here: put a value of your own there")
        return parse(text)
    except ValueError as error:
        _refuse(name, str(error))
        return otherwise  # type: ignore[no-any-return]


def _boolean(text: str) -> bool:
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


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        match = next((word for word in words if word.lower() == text.lower()), None)
        if match is None:
            raise ValueError(f"is not one of {', '.join(words)}")
        return match

    return parse


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _hosts(text: str) -> list[str]:
    for host in _list(text):
        # Django compares these with a name and nothing else: what does not look like one would match nobody.
        if not re.fullmatch(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]", host):
            raise ValueError(
                "holds something that is not a host name (no scheme, port or path; .example.com is all below it)"
            )
    return _list(text)


def _private_hosts(text: str) -> list[str]:
    """Parse exact hosts, as they stand in a URL: names in lower case, or addresses without brackets."""
    for host in _list(text):
        if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+", host):
            raise ValueError("holds something that is not a host by its exact name (lower case, no port, no *)")
    return _list(text)


def _origins(text: str) -> list[str]:
    for origin in _list(text):
        if not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError("holds something that is not an origin (scheme and host, no path)")
    return _list(text)


def _page_origins(text: str) -> list[str]:
    for origin in _list(text):
        # Browsers send lower case and no default port: what is written otherwise would match nobody.
        if not re.fullmatch(
            r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?|" + _APP_ORIGIN, origin
        ) or re.fullmatch(r"http:.*:80|https:.*:443", origin):
            raise ValueError("holds something that is not an origin as browsers send it (lower case, no default port)")
    return _list(text)


# Apps in a web view: capacitor://localhost, ionic://, tauri://localhost. Not what browsers fetch pages by.
_APP_ORIGIN = r"(?!(?:https?|ftps?|wss?|file|data|blob|about|javascript):)[a-z][a-z0-9+.-]*://[a-z0-9._-]*"


def _doors(text: str) -> list[str]:
    if text == "off":
        return []
    if not set(_list(text)) <= {*_KNOWN_DOORS}:
        raise ValueError(f"names a door that there is not; say {', '.join(_KNOWN_DOORS)}, or off for none")
    return _list(text)


_KNOWN_DOORS = ("todoist", "mcp", "calendar", "todo-backend")


def _networks(text: str) -> list[str]:
    for item in _list(text):
        network = ipaddress.ip_network(item)  # its ValueError says what is wrong with which part
        if network.version == 6 and network.network_address.ipv4_mapped:
            raise ValueError("holds an IPv4 network in IPv6 notation; write it as IPv4, which matches both")
    return _list(text)


def _limit(text: str) -> tuple[int, int] | None:
    """Parse `requests/seconds`; None for the word `off`. Raises ValueError."""
    if text == "off":
        return None
    match = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= 1_000_000 or not 1 <= int(match[2]) <= 86_400:
        raise ValueError("is neither requests/seconds (up to 1000000/86400) nor the word off")
    return int(match[1]), int(match[2])


def _rate(text: str) -> tuple[int, int]:
    """Parse `requests/seconds`. Raises ValueError."""
    if (limit := _limit(text)) is None:
        raise ValueError("cannot be off by itself: leave it out, or set RATE_LIMIT=off")
    return limit


def _schema_name(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", text) or text.startswith("pg_") or text == "public":
        raise ValueError("is not a schema name of lower-case letters, digits and _ (public and pg_… are not allowed)")
    return text


def _role_prefix(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,54}", text) or text.startswith("pg_"):
        raise ValueError("is not the beginning of a role's name, of lower-case letters, digits and _ (not pg_…)")
    return text


def _email_address(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("is not an e-mail address")
    return text


def _public_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", text):
        raise ValueError("is not an address of web pages (http:// or https://, no query)")
    return text.rstrip("/")


def _old_secrets(text: str) -> list[str]:
    if any(len(key) < 16 for key in _list(text)):
        raise ValueError("holds something too short to have been a key (several are separated by commas)")
    return _list(text)


def _secret(text: str) -> str:
    if "generate-me" in text or "insecure" in text:
        raise ValueError("is still the placeholder; `make run` writes a random one into a new .env")
    if len(text) < 32 or len(set(text)) < 8:
        raise ValueError("is too short or too simple to be a secret (at least 32 characters of real randomness)")
    return text


def _file(text: str) -> Path:
    if not Path(text).exists() or Path(text).is_dir():
        raise ValueError("is not the path of a file")
    return Path(text)


def _read_env_file(path: Path) -> None:
    """Put what the .env file says into the environment, where that says nothing. Raises ImproperlyConfigured."""
    lines = []
    for number, line in enumerate(_text_of(path).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            _mistakes[f"line {number}"] = f"{path.name} line {number} is not NAME=value. Example: PORT=8000"
            continue
        if match[1] in _line_numbers:
            lines_of = f"{path.name} lines {_line_numbers[match[1]]} and {number}"
            _mistakes[match[1]] = f"{match[1]} stands twice ({lines_of}): leave one. Example: {match[1]}=value"
        _line_numbers[match[1]] = number
        lines.append(f"{match[1]}={match[2]}")  # django-environ skips a line with other spaces, without a word
    environ.Env.read_env(io.StringIO("\n".join(lines)))


def _text_of(path: Path) -> str:
    try:
        text = path.read_text("utf-8-sig")  # some editors put a mark in front, which would join the first name
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        text = "\0"
    if "\0" in text:
        raise ImproperlyConfigured(f"{path} holds a line that is not UTF-8 text, or cannot be read. Example: PORT=8000")
    return text


def _refuse_misspelt_names(path: Path) -> None:
    """Note each line of the .env file whose name is nearly one of ours, unless that one is missing and says so."""
    told = " ".join(_mistakes.values())
    for name, number in _line_numbers.items():
        near = difflib.get_close_matches(name.upper(), ENVIRONMENT_VARIABLES, n=1, cutoff=0.8)
        # OpenTelemetry reads many more that begin so, and some differ in one word only.
        if near and name not in ENVIRONMENT_VARIABLES and not name.startswith("OTEL_") and name not in told:
            example = f"{near[0]}={ENVIRONMENT_VARIABLES[near[0]]}"
            where = f"{path.name} line {number}"
            _mistakes[name] = f"{name} ({where}) is no setting: did you mean {near[0]}? Example: {example}"


# As it was before .env was added: what a new worker is started with, so that a reload reads .env anew. It is no setting
# of Django's, whose debug pages would show it.
given_environment = dict(os.environ)
ENV_FILE = _read("ENV_FILE", _file, example="/etc/todo/env", default=BASE_DIR / ".env")
_stop_on_mistakes()  # another file's would only confuse
_read_env_file(ENV_FILE)

# --- What kind of installation this is ------------------------------------------------------------

ENVIRONMENT = _read("ENVIRONMENT", _one_of("development", "production"), example="production", default="production")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = _read("DEBUG", _boolean, example="false", default=False)
SECRET_KEY = _read("SECRET_KEY", _secret, example="<at least 32 random characters>", stand_in="")
# Keys of before, which still open what was encrypted under them; `reencrypt` makes them needless.
SECRET_KEY_FALLBACKS = _read("SECRET_KEY_FALLBACKS", _old_secrets, example="<the key of before>", default=[])
if SECRET_KEY in SECRET_KEY_FALLBACKS:
    _refuse("SECRET_KEY_FALLBACKS", "holds SECRET_KEY itself: put a new key there, and the old one here")

LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = _read("ALLOWED_HOSTS", _hosts, example="api.example.com", default=[] if PRODUCTION else LOCAL_HOSTS)
CSRF_TRUSTED_ORIGINS = _read("CSRF_TRUSTED_ORIGINS", _origins, example="https://admin.example.com", default=[])
HOST = _read("HOST", str, example="127.0.0.1", default="127.0.0.1")
PORT = _read("PORT", _number(1, 65535), example="8000", default=8000)
WORKERS = _read("WORKERS", _number(1, 64), example="2", default=1)
# How long a connection may be idle: longer than a load balancer keeps it (60 s, mostly), or both may act at once.
KEEP_ALIVE = _read("KEEP_ALIVE_SECONDS", _number(1, 3600), example="75", default=75)
# Connections of each worker, and of one address; fewer where the descriptor limit is lower (serving/admission.py).
MAX_CONNECTIONS = _read("MAX_CONNECTIONS", _number(16, 100_000), example="4096", default=4096)
MAX_CONNECTIONS_PER_ADDRESS = _read(
    "MAX_CONNECTIONS_PER_ADDRESS", _number(1, 100_000), example="256", default=0
)  # 0: three quarters of them
# At the end: how long readiness says so before connections are refused; and then, how long requests may take.
SHUTDOWN_DELAY = _read("SHUTDOWN_DELAY_SECONDS", _number(0, 300), example="10", default=0)
SHUTDOWN_TIMEOUT = _read("SHUTDOWN_TIMEOUT_SECONDS", _number(1, 3600), example="20", default=20)
# Whether `runserver` does what nobody waits for, too (reminders), or leaves it to `runworker`.
BACKGROUND = _read("BACKGROUND", _boolean, example="false", default=True)
# How often it looks for what others have written: for five minutes after the last request, `runworker` for ever.
BACKGROUND_POLL_SECONDS = _read("BACKGROUND_POLL_SECONDS", _number(1, 3600), example="10", default=10)
# Live streams that each worker holds open, and after how many seconds one ends (0: when it has told what was missed).
MAX_STREAMS = _read("MAX_STREAMS", _number(0, 100_000), example="1000", default=1000)
STREAM_LIFETIME = _read("STREAM_LIFETIME_SECONDS", _number(0, 86_400), example="3600", default=3600)
# How often one query finds what others have written for all open streams; 0: only what this server has written is told.
LIVE_POLL_SECONDS = _read("LIVE_POLL_SECONDS", _number(0, 3600), example="2", default=2)
# Hosts that webhooks may go to though they are not on the public network, and over http:// in development.
WEBHOOK_PRIVATE_HOSTS = _read("WEBHOOK_PRIVATE_HOSTS", _private_hosts, example="hooks.internal,127.0.0.1", default=[])
# Whose X-Forwarded-For and X-Forwarded-Proto count; anybody else could claim any address.
TRUSTED_PROXIES = _read("TRUSTED_PROXIES", _networks, example="10.0.0.0/8,127.0.0.1", default=[])
# The pages whose scripts may read the API's answers. Never cookies, never "*": tokens travel in a header.
CORS_ALLOWED_ORIGINS = _read("CORS_ALLOWED_ORIGINS", _page_origins, example="https://app.example.com", default=[])
# Ways in for the clients of other systems, doors/ has a room for each.
DOORS = _read("DOORS", _doors, example="todoist,mcp,calendar,todo-backend", default=["todoist", "mcp", "calendar"])
# A front end under development comes from whatever port its tool has taken.
CORS_ALLOWS_LOCALHOST = not PRODUCTION

if PRODUCTION and DEBUG:
    _refuse("DEBUG", "must be false where ENVIRONMENT=production: it shows source code and settings to anybody")
if PRODUCTION and not ALLOWED_HOSTS:
    _refuse("ALLOWED_HOSTS", "is missing, and ENVIRONMENT=production needs the names it is reached by")
if PRODUCTION and "*" in ALLOWED_HOSTS:
    _refuse("ALLOWED_HOSTS", "must not be * where ENVIRONMENT=production: links in mails could be forged")
if DEBUG and not set(ALLOWED_HOSTS) <= set(LOCAL_HOSTS):
    _refuse("DEBUG", "must be false where ALLOWED_HOSTS names a public host")

# --- Database -------------------------------------------------------------------------------------


def _database(text: str) -> dict[str, Any]:
    """Parse a PostgreSQL URL, or the word `embedded`, into a Django database. Raises ValueError."""
    return _embedded_database() if text == "embedded" else url.parse(text)


def _embedded_database() -> dict[str, Any]:
    try:
        socket = embedded.socket_directory(EMBEDDED_DATA_DIR)
    except embedded.EmbeddedServerError as error:  # Windows
        raise ValueError(f"cannot be used: {error}") from error
    database = {"NAME": embedded.DATABASE, "USER": embedded.OWNER, "PASSWORD": "", "HOST": str(socket)}
    return {**database, "PORT": "5432", "OPTIONS": {}}


EMBEDDED_DATA_DIR = _read("EMBEDDED_DATA_DIR", Path, example="/srv/todo/postgres", default=BASE_DIR / ".postgres")
_URL_EXAMPLE = "postgresql://user:password@ep-name-pooler.region.aws.neon.tech/todo?sslmode=require"
_default = _read(
    "DATABASE_URL", _database, example=f"embedded (or {_URL_EXAMPLE})", stand_in=url.parse("postgresql:///x?host=/")
)
DATABASE_EMBEDDED = os.environ.get("DATABASE_URL", "").strip() == "embedded"
_direct = _read("DIRECT_DATABASE_URL", url.parse, example=_URL_EXAMPLE.replace("-pooler", ""), default=None)
if _direct and (DATABASE_EMBEDDED or _direct["NAME"] != _default["NAME"]):
    # Migrations would change another database than the one that is served.
    _refuse("DIRECT_DATABASE_URL", "is not the database of DATABASE_URL")
_replica = _read("REPLICA_DATABASE_URL", url.parse, example=_URL_EXAMPLE.replace("ep-name", "ep-replica"), default=None)
if _replica and (DATABASE_EMBEDDED or _replica["NAME"] != _default["NAME"]):
    _refuse("REPLICA_DATABASE_URL", "is not the database of DATABASE_URL")
if _replica and all(_replica[part] == _default[part] for part in ("HOST", "PORT")):
    _refuse("REPLICA_DATABASE_URL", "is the server of DATABASE_URL itself")
DATABASE_SCHEMA = _read("DATABASE_SCHEMA", _schema_name, example="todo", default="todo")
# Roles belong to the whole server: two owners on one server need each their own.
DATABASE_ROLE_PREFIX = _read("DATABASE_ROLE_PREFIX", _role_prefix, example="staging", default="todo")
MIGRATE_ON_START = _read("MIGRATE_ON_START", _boolean, example="true", default=DATABASE_EMBEDDED)

# A small Neon compute has 97 usable connections; each worker holds this many for the API, and one more for each request
# of the admin that is under way.
DATABASE_POOL_SIZE = _read("DATABASE_POOL_SIZE", _number(1, 100), example="8", default=8)
# How long a request waits for a free connection before it is answered 503.
DATABASE_POOL_TIMEOUT = _read("DATABASE_POOL_TIMEOUT_SECONDS", _number(1, 60), example="5", default=5)
# A sleeping Neon compute wakes in some 100 ms, rarely in seconds.
DATABASE_CONNECT_TIMEOUT = _read("DATABASE_CONNECT_TIMEOUT_SECONDS", _number(1, 60), example="15", default=15)
# How long the start waits for a database that does not answer yet.
DATABASE_START_TIMEOUT = _read("DATABASE_START_TIMEOUT_SECONDS", _number(0, 600), example="30", default=30)
# No statement of ours needs a tenth of this; what takes longer is cancelled so that it cannot fill the pool.
DATABASE_STATEMENT_TIMEOUT = _read("DATABASE_STATEMENT_TIMEOUT_SECONDS", _number(1, 600), example="10", default=10)
# Statements that the server keeps ready for the next time. A pooler must know about them: PgBouncer since 1.21, Neon's.
DATABASE_PREPARED_STATEMENTS = _read("DATABASE_PREPARED_STATEMENTS", _boolean, example="true", default=True)
# While a migration waits for a lock, everything that needs the table queues behind it: nobody may notice that pause.
MIGRATION_LOCK_TIMEOUT = _read("MIGRATION_LOCK_TIMEOUT_SECONDS", _number(1, 60), example="2", default=2)
# How long a migration that gave way is tried again.
MIGRATION_PATIENCE = _read("MIGRATION_PATIENCE_SECONDS", _number(0, 86_400), example="600", default=600)

_connection = {
    "ENGINE": "todoproject.database.engine",
    "CONN_MAX_AGE": 0,  # anything else leaks a connection for each thread that ASGI starts
    "DISABLE_SERVER_SIDE_CURSORS": True,  # a transaction pooler gives the next statement another session
}
_options = {
    "connect_timeout": DATABASE_CONNECT_TIMEOUT,
    "application_name": "todoproject",
    # A peer that is gone without a word is noticed within 5 s of something sent to it (Linux only), and, where nothing
    # is sent, within 45 s. A unix socket has no such peers, and ignores these.
    "tcp_user_timeout": 5_000,  # milliseconds
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def _without_pooler(database: dict[str, Any]) -> dict[str, Any]:
    # Neon's direct endpoint is the pooled one's name without "-pooler".
    return {**database, "HOST": re.sub(r"^(ep-[^.]+)-pooler\.", r"\1.", database["HOST"])}


def _complete(database: dict[str, Any]) -> dict[str, Any]:
    return {**database, **_connection, "OPTIONS": {**_options, **database["OPTIONS"]}}


DATABASES = {"default": _complete(_default)}
# Migrations, dumps and session locks need a session of their own, which a transaction pooler cannot give.
DIRECT_DATABASE = _complete(_direct or _without_pooler(_default))
# Not in DATABASES: nothing of Django's may read from it, only the API's lists (todoproject/database/client/replica.py).
REPLICA_DATABASE = _complete(_replica) if _replica else None

# --- Accounts -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# The e-mail is unique, in whatever case it is written: by a constraint on lower(email), which this check cannot see.
SILENCED_SYSTEM_CHECKS = ["auth.E003", "auth.W004", "security.W005", "security.W021"]
# The staff account that the first start creates, its password printed once; none is created where this is empty.
FIRST_STAFF_EMAIL = _read("FIRST_STAFF_EMAIL", _email_address, example="admin@example.com", default="")
TOKEN_LIFETIME_DAYS = _read("TOKEN_LIFETIME_DAYS", _number(1, 3650), example="30", default=30)
# How long a token that was rotated still works, so that its successor can be brought to where it is used.
TOKEN_ROTATION_OVERLAP = _read("TOKEN_ROTATION_OVERLAP_SECONDS", _number(0, 2_592_000), example="3600", default=3600)
# required: an account comes into being only when somebody has proved to read its address.
EMAIL_VERIFICATION = _read("EMAIL_VERIFICATION", _one_of("off", "required"), example="required", default="off")
EMAIL_VERIFICATION_LIFETIME = _read(
    "EMAIL_VERIFICATION_LIFETIME_SECONDS", _number(60, 2_592_000), example="86400", default=86_400
)
PASSWORD_RESET_LIFETIME = _read("PASSWORD_RESET_LIFETIME_SECONDS", _number(60, 86_400), example="3600", default=3600)
PASSWORD_HASHERS = ["accounts.passwords.BoundedArgon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    # Length and a list of common passwords, no composition rules (OWASP ASVS 5.0, 6.2).
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.passwords.NotTheEmailValidator"},
]

AUTHENTICATION_BACKENDS = ["accounts.staff.backend.StaffBackend"]
# required: staff set up an authenticator app before they see a page of the admin. optional: those who have one use it.
_factor_default = "required" if PRODUCTION else "optional"
ADMIN_SECOND_FACTOR = _read(
    "ADMIN_SECOND_FACTOR", _one_of("required", "optional"), example="required", default=_factor_default
)
# How long an admin session lives without a request, and in all (NIST SP 800-63B, 5.2: 30 minutes and 12 hours).
ADMIN_SESSION_IDLE = _read("ADMIN_SESSION_IDLE_SECONDS", _number(60, 86_400), example="1800", default=1800)
ADMIN_SESSION_LIFETIME = _read("ADMIN_SESSION_LIFETIME_SECONDS", _number(60, 86_400), example="43200", default=43_200)
# How long the audit is kept; the database refuses to delete what is younger than 90 days.
AUDIT_RETENTION_DAYS = _read("AUDIT_RETENTION_DAYS", _number(90, 3650), example="365", default=365)

# --- Mail -----------------------------------------------------------------------------------------

_email = _read("EMAIL_URL", mail_url.parse, example="smtps://user:password@mail.example.com", default=None)
EMAIL_IS_OFF = PRODUCTION and _email is None
_email = _email or (mail_url.NOWHERE if PRODUCTION else mail_url.CONSOLE)
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email.get("EMAIL_HOST", "localhost")
EMAIL_PORT = _email.get("EMAIL_PORT", 25)
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10  # seconds; the one thread that sends must not hang with one server
DEFAULT_FROM_EMAIL = _read(
    "DEFAULT_FROM_EMAIL", _email_address, example="todo@example.com", default="todo@localhost.localdomain"
)
# Where the front end lives, whose pages the links in mails open. Without it mails hold the bare code.
PUBLIC_URL = _read("PUBLIC_URL", _public_url, example="https://todo.example.com", default="")

if PRODUCTION and mail_url.CONSOLE["EMAIL_BACKEND"] == EMAIL_BACKEND:
    _refuse("EMAIL_URL", "must not be console where ENVIRONMENT=production: the log would hold codes from mails")
if PRODUCTION and PUBLIC_URL.startswith("http://"):
    _refuse("PUBLIC_URL", "must be https:// where ENVIRONMENT=production: its links hold secrets")
if PRODUCTION and EMAIL_VERIFICATION == "required" and EMAIL_IS_OFF:
    _refuse("EMAIL_URL", "is missing, and EMAIL_VERIFICATION=required needs mails")
if PRODUCTION and EMAIL_VERIFICATION == "required" and not PUBLIC_URL:
    _refuse("PUBLIC_URL", "is missing, and EMAIL_VERIFICATION=required needs it for links in mails")
if PRODUCTION and not EMAIL_IS_OFF and DEFAULT_FROM_EMAIL == "todo@localhost.localdomain":
    _refuse("DEFAULT_FROM_EMAIL", "is missing, and EMAIL_URL needs a sender that mail servers accept")

# --- Limits ---------------------------------------------------------------------------------------

# Requests/seconds, in each worker: of a token, of all tokens of an account together (unset: twice that of one), and of
# an address without a token. RATE_LIMIT=off turns all three off.
RATE_LIMIT = _read("RATE_LIMIT", _limit, example="6000/60", default=(6000, 60))
RATE_LIMIT_ACCOUNT = _read("RATE_LIMIT_ACCOUNT", _rate, example="12000/60", default=None)
RATE_LIMIT_ANONYMOUS = _read("RATE_LIMIT_ANONYMOUS", _limit, example="600/60", default=(600, 60))
# Attempts/seconds, over all workers: what they are counted by is in accounts/throttling.py.
LOGIN_LIMIT = _read("LOGIN_LIMIT", _limit, example="10/900", default=(10, 900))
REGISTER_LIMIT = _read("REGISTER_LIMIT", _limit, example="10/900", default=(10, 900))
PASSWORD_RESET_LIMIT = _read("PASSWORD_RESET_LIMIT", _limit, example="5/3600", default=(5, 3600))

if RATE_LIMIT and not RATE_LIMIT_ANONYMOUS:
    _refuse("RATE_LIMIT_ANONYMOUS", "must not be off unless RATE_LIMIT is: made-up tokens would be unlimited")

# --- Tasks ----------------------------------------------------------------------------------------

# How long a deleted task can be restored; `manage.py purge` removes it afterwards.
TASK_RETENTION_DAYS = _read("TASK_RETENTION_DAYS", _number(1, 3650), example="30", default=30)
# How far back the history goes, and what can be undone; the same command removes what is older.
CHANGE_RETENTION_DAYS = _read("CHANGE_RETENTION_DAYS", _number(7, 3650), example="90", default=90)

# --- Logs -----------------------------------------------------------------------------------------

LOG_LEVEL = _read("LOG_LEVEL", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), example="INFO", default="INFO")
_log_format_default = "json" if PRODUCTION else "console"
LOG_FORMAT = _read("LOG_FORMAT", _one_of("json", "console"), example="json", default=_log_format_default)
LOGGING_CONFIG = None  # logs.configure() is the one place; apps.py calls it

# --- Observing ------------------------------------------------------------------------------------


def _milliseconds(text: str) -> float:
    """Parse whole milliseconds into seconds; the word `off` is never. Raises ValueError."""
    return math.inf if text == "off" else _number(1, 600_000)(text) / 1000


def _listener(text: str) -> tuple[str, int]:
    """Parse `[HOST:]PORT`. Raises ValueError."""
    match = re.fullmatch(r"(?:([\w.-]+|\[[0-9A-Fa-f:.]+\]):)?([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[2]) <= 65535:
        raise ValueError("is not [HOST:]PORT")
    return (match[1] or "127.0.0.1").strip("[]"), int(match[2])


def _needing(module: str, install: str, parse: Callable[[str], str]) -> Callable[[str], str]:
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


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("is not a folder")
    return Path(text)


def _endpoint(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ValueError("is not an http:// or https:// address")
    return text.rstrip("/")


def _dsn(text: str) -> str:
    if not re.fullmatch(r"https?://[0-9A-Za-z]+@[^\s/?#@]+/(?:[^\s?#]*/)?[0-9]+", text):
        raise ValueError("is not a Sentry DSN")
    return text


# A statement that takes longer is logged, in seconds here. None of ours needs a tenth of it on a healthy database.
SLOW_QUERY_SECONDS = _read("SLOW_QUERY_MILLISECONDS", _milliseconds, example="200", default=0.2)
# Where Prometheus may read the metrics without a token: a port of their own, which nobody outside should reach.
METRICS_ADDRESS = _read("METRICS_ADDRESS", _listener, example="127.0.0.1:9100", default=None)
# Whoever sends this as a bearer token may read GET /metrics on the port of the API.
METRICS_TOKEN = _read("METRICS_TOKEN", _secret, example="<at least 32 random characters>", default="")
# Where the workers of one server count together; runserver makes a folder and names it here for them.
METRICS_FOLDER = _read("METRICS_FOLDER", _folder, example="/dev/shm/todo", default=None)  # noqa: S108 -- made by the operator
OTEL_EXPORTER_OTLP_ENDPOINT = _read(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    _needing("opentelemetry.exporter.otlp.proto.http", "'.[tracing]'", _endpoint),
    example="http://127.0.0.1:4318",
    default="",
)
SENTRY_DSN = _read(
    "SENTRY_DSN", _needing("sentry_sdk", "'.[sentry]'", _dsn), example="https://key@sentry.example.com/1", default=""
)

# --- Django ---------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "todoproject",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "todoproject.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic",
    "django.contrib.staticfiles",
    "ninja",  # its docs page is then served from our own files, not from a CDN
    "accounts",
    "tasks",
]
# For the admin, the docs and static files only; the API has one middleware of its own (todoproject/http/middleware.py).
MIDDLEWARE = [
    "todoproject.pages.access_log.AccessMiddleware",  # the first: what the others answer is seen, too
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "todoproject.pages.compression.CompressedPages",
    "todoproject.pages.security_headers.PageHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.staff.session_limits.SessionLimits",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "todoproject" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
ROOT_URLCONF = "todoproject.urls"
ASGI_APPLICATION = "todoproject.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "todoproject.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "todoproject.pages.static_files.StaticFilesStorage"},
}
# Without a collectstatic run the files are served from where the packages keep them, and cached for a minute;
# after one, compressed and under names with a hash, which browsers keep for good.
SERVESTATIC_USE_FINDERS = DEBUG or not (STATIC_ROOT / "staticfiles.json").is_file()
SERVESTATIC_ALLOW_ALL_ORIGINS = False  # they are for our own pages
CSRF_FAILURE_VIEW = "todoproject.pages.error_pages.csrf_failure"

# --- Admin ----------------------------------------------------------------------------------------


def _page(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,  # a name in Material Symbols, whose font Unfold brings along
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": lambda request: request.user.has_perms([f"{app}.view_{name}"]),
    }


# Lightness and chroma of one blue; with white text on shade 600 the contrast is 5:1 (WCAG 2.2 AA wants 4.5:1).
_SHADES = {50: "97% .014", 100: "93% .032", 200: "88% .059", 300: "81% .105", 400: "71% .165", 500: "62% .2"}
_SHADES |= {600: "54% .21", 700: "48% .2", 800: "42% .17", 900: "38% .14", 950: "28% .09"}
UNFOLD = {
    "SITE_TITLE": "Todo",
    "SITE_HEADER": "Todo",
    "SITE_SUBHEADER": "Staff · all times are UTC",
    "SITE_SYMBOL": "task_alt",
    "SITE_URL": "/docs",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("todoproject/icon.svg")}],
    "STYLES": [lambda request: static("todoproject/admin.css")],
    "SCRIPTS": [lambda request: static("todoproject/admin.js")],
    "ACCOUNT": {"navigation": [{"title": "My account", "link": reverse_lazy("admin:account")}]},
    "DASHBOARD_CALLBACK": "tasks.admin.dashboard.show",
    "ENVIRONMENT": [ENVIRONMENT, "danger" if PRODUCTION else "info"],
    "COLORS": {"primary": {str(shade): f"oklch({colour} 262)" for shade, colour in _SHADES.items()}},
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Tasks",
                "items": [_page("Tasks", "checklist", "tasks.task"), _page("Lists", "list", "tasks.tasklist")],
            },
            {
                "title": "Accounts",
                "items": [
                    _page("Users", "person", "accounts.user"),
                    _page("Groups", "group", "auth.group"),
                    _page("Access tokens", "key", "accounts.accesstoken"),
                    _page("Webhooks", "webhook", "tasks.webhook"),
                ],
            },
            {"title": "Records", "items": [_page("Audit", "history", "accounts.auditevent")]},
        ],
    },
}

# --- Security -------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health"]  # a load balancer asks over plain HTTP
# For how long browsers must not come back without TLS, to names below this one neither; and whether browsers' makers
# may build that in, for the whole domain and for years.
SECURE_HSTS_SECONDS = _read(
    "HSTS_SECONDS", _number(0, 63_072_000), example="31536000", default=31_536_000 if PRODUCTION else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = _read("HSTS_SUBDOMAINS", _boolean, example="true", default=PRODUCTION)
SECURE_HSTS_PRELOAD = _read("HSTS_PRELOAD", _boolean, example="true", default=False)
# Prefixes by which browsers hold a cookie to what it was set with (RFC 6265bis, section 4.1.3); they need TLS.
SESSION_COOKIE_NAME = "__Secure-sessionid" if PRODUCTION else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if PRODUCTION else "csrftoken"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # not in a cookie: they name people
SESSION_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_SAMESITE = "Lax"  # Strict would show whoever follows a link from a mail the login page
SESSION_COOKIE_PATH = "/admin/"
SESSION_COOKIE_AGE = ADMIN_SESSION_LIFETIME
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_HTTPONLY = True  # forms carry the token; no script of ours reads it
X_FRAME_OPTIONS = "DENY"

_refuse_misspelt_names(ENV_FILE)
_stop_on_mistakes()
