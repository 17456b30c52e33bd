"""Every setting of the project, top to bottom.

A line here names a variable, what it may hold (`environment/parsers.py`) and what holds without it. How it is read, and
how a mistake is told, is in `environment/variables.py`. `.env.example` documents each variable.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

from todoproject.admin import sidebar
from todoproject.database import url
from todoproject.environment.parsers import (
    boolean,
    doors,
    dsn,
    email_address,
    endpoint,
    exact_hosts,
    file,
    folder,
    hosts,
    limit,
    listener,
    milliseconds,
    needing,
    networks,
    number,
    old_secrets,
    one_of,
    origins,
    page_origins,
    public_url,
    rate,
    role_prefix,
    schema_name,
    secret,
)
from todoproject.environment.variables import Environment
from todoproject.mail import url as mail_url

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
ENV_FILE = env("ENV_FILE", file, example="/etc/todo/env", default=BASE_DIR / ".env")
env.stop_on_mistakes()  # another file's would only confuse
env.read_file(ENV_FILE)

# --- What kind of installation this is ------------------------------------------------------------

ENVIRONMENT = env("ENVIRONMENT", one_of("development", "production"), example="production", default="production")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env("DEBUG", boolean, example="false", default=False)
SECRET_KEY = env("SECRET_KEY", secret, example="<at least 32 random characters>", stand_in="")
# Keys of before, which still open what was encrypted under them; `reencrypt` makes them needless.
SECRET_KEY_FALLBACKS = env("SECRET_KEY_FALLBACKS", old_secrets, example="<the key of before>", default=[])
if SECRET_KEY in SECRET_KEY_FALLBACKS:
    env.refuse("SECRET_KEY_FALLBACKS", "holds SECRET_KEY itself: put a new key there, and the old one here")

LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = env("ALLOWED_HOSTS", hosts, example="api.example.com", default=[] if PRODUCTION else LOCAL_HOSTS)
CSRF_TRUSTED_ORIGINS = env("CSRF_TRUSTED_ORIGINS", origins, example="https://admin.example.com", default=[])

if PRODUCTION and DEBUG:
    env.refuse("DEBUG", "must be false where ENVIRONMENT=production: it shows source code and settings to anybody")
if PRODUCTION and not ALLOWED_HOSTS:
    env.refuse("ALLOWED_HOSTS", "is missing, and ENVIRONMENT=production needs the names it is reached by")
if PRODUCTION and "*" in ALLOWED_HOSTS:
    env.refuse("ALLOWED_HOSTS", "must not be * where ENVIRONMENT=production: links in mails could be forged")
if DEBUG and not set(ALLOWED_HOSTS) <= set(LOCAL_HOSTS):
    env.refuse("DEBUG", "must be false where ALLOWED_HOSTS names a public host")

# --- The server -----------------------------------------------------------------------------------

HOST = env("HOST", str, example="127.0.0.1", default="127.0.0.1")
PORT = env("PORT", number(1, 65535), example="8000", default=8000)
WORKERS = env("WORKERS", number(1, 64), example="2", default=1)
# How long a connection may be idle: longer than a load balancer keeps it (60 s, mostly), or both may act at once.
KEEP_ALIVE = env("KEEP_ALIVE_SECONDS", number(1, 3600), example="75", default=75)
# Connections of each worker, and of one address; fewer where the descriptor limit is lower (serving/admission.py).
MAX_CONNECTIONS = env("MAX_CONNECTIONS", number(16, 100_000), example="4096", default=4096)
MAX_CONNECTIONS_PER_ADDRESS = env(
    "MAX_CONNECTIONS_PER_ADDRESS", number(1, 100_000), example="256", default=0
)  # 0: three quarters of them
# At the end: how long readiness says so before connections are refused; and then, how long requests may take.
SHUTDOWN_DELAY = env("SHUTDOWN_DELAY_SECONDS", number(0, 300), example="10", default=0)
SHUTDOWN_TIMEOUT = env("SHUTDOWN_TIMEOUT_SECONDS", number(1, 3600), example="20", default=20)

# --- Background work and live streams -------------------------------------------------------------

# Whether `runserver` does what nobody waits for, too (reminders), or leaves it to `runworker`.
BACKGROUND = env("BACKGROUND", boolean, example="false", default=True)
# How often it looks for what others have written: for five minutes after the last request, `runworker` for ever.
BACKGROUND_POLL_SECONDS = env("BACKGROUND_POLL_SECONDS", number(1, 3600), example="10", default=10)
# Live streams that each worker holds open, and after how many seconds one ends (0: when it has told what was missed).
MAX_STREAMS = env("MAX_STREAMS", number(0, 100_000), example="1000", default=1000)
STREAM_LIFETIME = env("STREAM_LIFETIME_SECONDS", number(0, 86_400), example="3600", default=3600)
# How often one query finds what others have written for all open streams; 0: only what this server has written is told.
LIVE_POLL_SECONDS = env("LIVE_POLL_SECONDS", number(0, 3600), example="2", default=2)

# --- Webhooks, proxies, CORS, doors ---------------------------------------------------------------

# Hosts that webhooks may go to though they are not on the public network, and over http:// in development.
WEBHOOK_PRIVATE_HOSTS = env("WEBHOOK_PRIVATE_HOSTS", exact_hosts, example="hooks.internal,127.0.0.1", default=[])
# Whose X-Forwarded-For and X-Forwarded-Proto count; anybody else could claim any address.
TRUSTED_PROXIES = env("TRUSTED_PROXIES", networks, example="10.0.0.0/8,127.0.0.1", default=[])
# The pages whose scripts may read the API's answers. Never cookies, never "*": tokens travel in a header.
CORS_ALLOWED_ORIGINS = env("CORS_ALLOWED_ORIGINS", page_origins, example="https://app.example.com", default=[])
# Ways in for the clients of other systems, doors/ has a room for each.
DOORS = env("DOORS", doors, example="todoist,mcp,calendar,todo-backend", default=["todoist", "mcp", "calendar"])
# A front end under development comes from whatever port its tool has taken.
CORS_ALLOWS_LOCALHOST = not PRODUCTION

# --- Database -------------------------------------------------------------------------------------

EMBEDDED_DATA_DIR = env("EMBEDDED_DATA_DIR", Path, example="/srv/todo/postgres", default=BASE_DIR / ".postgres")
_URL_EXAMPLE = "postgresql://user:password@ep-name-pooler.region.aws.neon.tech/todo?sslmode=require"
_default = env(
    "DATABASE_URL",
    partial(url.parse_or_embedded, data_folder=EMBEDDED_DATA_DIR),
    example=f"embedded (or {_URL_EXAMPLE})",
    stand_in=url.parse("postgresql:///x?host=/"),
)
DATABASE_EMBEDDED = os.environ.get("DATABASE_URL", "").strip() == "embedded"
_direct = env("DIRECT_DATABASE_URL", url.parse, example=_URL_EXAMPLE.replace("-pooler", ""), default=None)
if _direct and (DATABASE_EMBEDDED or _direct["NAME"] != _default["NAME"]):
    # Migrations would change another database than the one that is served.
    env.refuse("DIRECT_DATABASE_URL", "is not the database of DATABASE_URL")
_replica = env("REPLICA_DATABASE_URL", url.parse, example=_URL_EXAMPLE.replace("ep-name", "ep-replica"), default=None)
if _replica and (DATABASE_EMBEDDED or _replica["NAME"] != _default["NAME"]):
    env.refuse("REPLICA_DATABASE_URL", "is not the database of DATABASE_URL")
if _replica and all(_replica[part] == _default[part] for part in ("HOST", "PORT")):
    env.refuse("REPLICA_DATABASE_URL", "is the server of DATABASE_URL itself")
DATABASE_SCHEMA = env("DATABASE_SCHEMA", schema_name, example="todo", default="todo")
# Roles belong to the whole server: two owners on one server need each their own.
DATABASE_ROLE_PREFIX = env("DATABASE_ROLE_PREFIX", role_prefix, example="staging", default="todo")
MIGRATE_ON_START = env("MIGRATE_ON_START", boolean, example="true", default=DATABASE_EMBEDDED)

# A small Neon compute has 97 usable connections; each worker holds this many for the API, and one more for each request
# of the admin that is under way.
DATABASE_POOL_SIZE = env("DATABASE_POOL_SIZE", number(1, 100), example="8", default=8)
# How long a request waits for a free connection before it is answered 503.
DATABASE_POOL_TIMEOUT = env("DATABASE_POOL_TIMEOUT_SECONDS", number(1, 60), example="5", default=5)
# A sleeping Neon compute wakes in some 100 ms, rarely in seconds.
DATABASE_CONNECT_TIMEOUT = env("DATABASE_CONNECT_TIMEOUT_SECONDS", number(1, 60), example="15", default=15)
# How long the start waits for a database that does not answer yet.
DATABASE_START_TIMEOUT = env("DATABASE_START_TIMEOUT_SECONDS", number(0, 600), example="30", default=30)
# No statement of ours needs a tenth of this; what takes longer is cancelled so that it cannot fill the pool.
DATABASE_STATEMENT_TIMEOUT = env("DATABASE_STATEMENT_TIMEOUT_SECONDS", number(1, 600), example="10", default=10)
# Statements that the server keeps ready for the next time. A pooler must know about them: PgBouncer since 1.21, Neon's.
DATABASE_PREPARED_STATEMENTS = env("DATABASE_PREPARED_STATEMENTS", boolean, example="true", default=True)
# While a migration waits for a lock, everything that needs the table queues behind it: nobody may notice that pause.
MIGRATION_LOCK_TIMEOUT = env("MIGRATION_LOCK_TIMEOUT_SECONDS", number(1, 60), example="2", default=2)
# How long a migration that gave way is tried again.
MIGRATION_PATIENCE = env("MIGRATION_PATIENCE_SECONDS", number(0, 86_400), example="600", default=600)

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


def _complete(database: dict[str, Any]) -> dict[str, Any]:
    return {**database, **_connection, "OPTIONS": {**_options, **database["OPTIONS"]}}


DATABASES = {"default": _complete(_default)}
# Migrations, dumps and session locks need a session of their own, which a transaction pooler cannot give.
DIRECT_DATABASE = _complete(_direct or url.without_pooler(_default))
# Not in DATABASES: nothing of Django's may read from it, only the API's lists (todoproject/database/client/replica.py).
REPLICA_DATABASE = _complete(_replica) if _replica else None

# --- Accounts -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# The e-mail is unique, in whatever case it is written: by a constraint on lower(email), which this check cannot see.
SILENCED_SYSTEM_CHECKS = ["auth.E003", "auth.W004", "security.W005", "security.W021"]
# The staff account that the first start creates, its password printed once; none is created where this is empty.
FIRST_STAFF_EMAIL = env("FIRST_STAFF_EMAIL", email_address, example="admin@example.com", default="")
TOKEN_LIFETIME_DAYS = env("TOKEN_LIFETIME_DAYS", number(1, 3650), example="30", default=30)
# How long a token that was rotated still works, so that its successor can be brought to where it is used.
TOKEN_ROTATION_OVERLAP = env("TOKEN_ROTATION_OVERLAP_SECONDS", number(0, 2_592_000), example="3600", default=3600)
# required: an account comes into being only when somebody has proved to read its address.
EMAIL_VERIFICATION = env("EMAIL_VERIFICATION", one_of("off", "required"), example="required", default="off")
EMAIL_VERIFICATION_LIFETIME = env(
    "EMAIL_VERIFICATION_LIFETIME_SECONDS", number(60, 2_592_000), example="86400", default=86_400
)
PASSWORD_RESET_LIFETIME = env("PASSWORD_RESET_LIFETIME_SECONDS", number(60, 86_400), example="3600", default=3600)
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
ADMIN_SECOND_FACTOR = env(
    "ADMIN_SECOND_FACTOR", one_of("required", "optional"), example="required", default=_factor_default
)
# How long an admin session lives without a request, and in all (NIST SP 800-63B, 5.2: 30 minutes and 12 hours).
ADMIN_SESSION_IDLE = env("ADMIN_SESSION_IDLE_SECONDS", number(60, 86_400), example="1800", default=1800)
ADMIN_SESSION_LIFETIME = env("ADMIN_SESSION_LIFETIME_SECONDS", number(60, 86_400), example="43200", default=43_200)
# How long the audit is kept; the database refuses to delete what is younger than 90 days.
AUDIT_RETENTION_DAYS = env("AUDIT_RETENTION_DAYS", number(90, 3650), example="365", default=365)

# --- Mail -----------------------------------------------------------------------------------------

_email = env("EMAIL_URL", mail_url.parse, example="smtps://user:password@mail.example.com", default=None)
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
DEFAULT_FROM_EMAIL = env(
    "DEFAULT_FROM_EMAIL", email_address, example="todo@example.com", default="todo@localhost.localdomain"
)
# Where the front end lives, whose pages the links in mails open. Without it mails hold the bare code.
PUBLIC_URL = env("PUBLIC_URL", public_url, example="https://todo.example.com", default="")

if PRODUCTION and mail_url.CONSOLE["EMAIL_BACKEND"] == EMAIL_BACKEND:
    env.refuse("EMAIL_URL", "must not be console where ENVIRONMENT=production: the log would hold codes from mails")
if PRODUCTION and PUBLIC_URL.startswith("http://"):
    env.refuse("PUBLIC_URL", "must be https:// where ENVIRONMENT=production: its links hold secrets")
if PRODUCTION and EMAIL_VERIFICATION == "required" and EMAIL_IS_OFF:
    env.refuse("EMAIL_URL", "is missing, and EMAIL_VERIFICATION=required needs mails")
if PRODUCTION and EMAIL_VERIFICATION == "required" and not PUBLIC_URL:
    env.refuse("PUBLIC_URL", "is missing, and EMAIL_VERIFICATION=required needs it for links in mails")
if PRODUCTION and not EMAIL_IS_OFF and DEFAULT_FROM_EMAIL == "todo@localhost.localdomain":
    env.refuse("DEFAULT_FROM_EMAIL", "is missing, and EMAIL_URL needs a sender that mail servers accept")

# --- Limits ---------------------------------------------------------------------------------------

# Requests/seconds, in each worker: of a token, of all tokens of an account together (unset: twice that of one), and of
# an address without a token. RATE_LIMIT=off turns all three off.
RATE_LIMIT = env("RATE_LIMIT", limit, example="6000/60", default=(6000, 60))
RATE_LIMIT_ACCOUNT = env("RATE_LIMIT_ACCOUNT", rate, example="12000/60", default=None)
RATE_LIMIT_ANONYMOUS = env("RATE_LIMIT_ANONYMOUS", limit, example="600/60", default=(600, 60))
# Attempts/seconds, over all workers: what they are counted by is in accounts/throttling.py.
LOGIN_LIMIT = env("LOGIN_LIMIT", limit, example="10/900", default=(10, 900))
REGISTER_LIMIT = env("REGISTER_LIMIT", limit, example="10/900", default=(10, 900))
PASSWORD_RESET_LIMIT = env("PASSWORD_RESET_LIMIT", limit, example="5/3600", default=(5, 3600))

if RATE_LIMIT and not RATE_LIMIT_ANONYMOUS:
    env.refuse("RATE_LIMIT_ANONYMOUS", "must not be off unless RATE_LIMIT is: made-up tokens would be unlimited")

# --- Tasks ----------------------------------------------------------------------------------------

# How long a deleted task can be restored; `manage.py purge` removes it afterwards.
TASK_RETENTION_DAYS = env("TASK_RETENTION_DAYS", number(1, 3650), example="30", default=30)
# How far back the history goes, and what can be undone; the same command removes what is older.
CHANGE_RETENTION_DAYS = env("CHANGE_RETENTION_DAYS", number(7, 3650), example="90", default=90)

# --- Logs -----------------------------------------------------------------------------------------

LOG_LEVEL = env("LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), example="INFO", default="INFO")
_log_format_default = "json" if PRODUCTION else "console"
LOG_FORMAT = env("LOG_FORMAT", one_of("json", "console"), example="json", default=_log_format_default)
LOGGING_CONFIG = None  # logs.configure() is the one place; apps.py calls it

# --- Observing ------------------------------------------------------------------------------------


# A statement that takes longer is logged, in seconds here. None of ours needs a tenth of it on a healthy database.
SLOW_QUERY_SECONDS = env("SLOW_QUERY_MILLISECONDS", milliseconds, example="200", default=0.2)
# Where Prometheus may read the metrics without a token: a port of their own, which nobody outside should reach.
METRICS_ADDRESS = env("METRICS_ADDRESS", listener, example="127.0.0.1:9100", default=None)
# Whoever sends this as a bearer token may read GET /metrics on the port of the API.
METRICS_TOKEN = env("METRICS_TOKEN", secret, example="<at least 32 random characters>", default="")
# Where the workers of one server count together; runserver makes a folder and names it here for them.
METRICS_FOLDER = env("METRICS_FOLDER", folder, example="/dev/shm/todo", default=None)  # noqa: S108 -- made by the operator
OTEL_EXPORTER_OTLP_ENDPOINT = env(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    needing("opentelemetry.exporter.otlp.proto.http", "'.[tracing]'", endpoint),
    example="http://127.0.0.1:4318",
    default="",
)
SENTRY_DSN = env(
    "SENTRY_DSN", needing("sentry_sdk", "'.[sentry]'", dsn), example="https://key@sentry.example.com/1", default=""
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
    "SIDEBAR": {"navigation": sidebar.NAVIGATION},
}

# --- Security -------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health"]  # a load balancer asks over plain HTTP
# For how long browsers must not come back without TLS, to names below this one neither; and whether browsers' makers
# may build that in, for the whole domain and for years.
SECURE_HSTS_SECONDS = env(
    "HSTS_SECONDS", number(0, 63_072_000), example="31536000", default=31_536_000 if PRODUCTION else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env("HSTS_SUBDOMAINS", boolean, example="true", default=PRODUCTION)
SECURE_HSTS_PRELOAD = env("HSTS_PRELOAD", boolean, example="true", default=False)
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

env.refuse_misspelt_names(ENV_FILE)
env.stop_on_mistakes()
