"""The settings of a test run: loaded as a plugin, before pytest-django reads them.

The tests must not depend on the developer's shell or .env.
"""

import atexit
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

# Whoever runs the tests again and again may keep their server up meanwhile (tests/mutation).
_kept = os.environ.get("TESTS_FOLDER")
FOLDER = Path(_kept or tempfile.mkdtemp(prefix="todo-tests-"))
if not _kept:
    # Before the server is started, so after it has been stopped: exit handlers run last in, first out.
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
FOLDER.chmod(0o755)  # the server may run as another user than root, and must reach its data folder below

for _name in (
    "DIRECT_DATABASE_URL",
    "REPLICA_DATABASE_URL",
    "DATABASE_SCHEMA",
    "MIGRATE_ON_START",
    "FIRST_STAFF_EMAIL",
    "LOG_FORMAT",
    "DEBUG",
    "TRUSTED_PROXIES",
    "CORS_ALLOWED_ORIGINS",
    "EMAIL_VERIFICATION",
    "EMAIL_URL",
    "PUBLIC_URL",
    "ADMIN_SECOND_FACTOR",
    "ADMIN_SESSION_IDLE_SECONDS",
    "ADMIN_SESSION_LIFETIME_SECONDS",
    "AUDIT_RETENTION_DAYS",
    "CHANGE_RETENTION_DAYS",
    "SLOW_QUERY_MILLISECONDS",
    "METRICS_ADDRESS",
    "METRICS_TOKEN",
    "METRICS_FOLDER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SENTRY_DSN",
    "BACKGROUND_POLL_SECONDS",
    "WEBHOOK_PRIVATE_HOSTS",
    "LIVE_POLL_SECONDS",
    "MAX_STREAMS",
    "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_ADDRESS",
    "HSTS_SECONDS",
    "HSTS_SUBDOMAINS",
    "HSTS_PRELOAD",
):
    os.environ.pop(_name, None)
os.environ |= {
    "ENV_FILE": os.devnull,
    "DOORS": "todoist,mcp,calendar,todo-backend",
    "ENVIRONMENT": "development",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "DATABASE_URL": "embedded",
    "EMBEDDED_DATA_DIR": str(FOLDER / "postgres"),
    "LOG_LEVEL": "INFO",
    "STREAM_LIFETIME_SECONDS": "0",  # whoever tries all operations waits for each answer
    "BACKGROUND": "false",  # whoever counts statements counts only those of requests; its own tests turn it on
    # Counted like any others, but never used up: all of Alice, Bob and Charlie come from one address.
    **dict.fromkeys(("RATE_LIMIT", "RATE_LIMIT_ANONYMOUS"), "1000000/1"),
    **dict.fromkeys(("LOGIN_LIMIT", "REGISTER_LIMIT", "PASSWORD_RESET_LIMIT"), "1000000/1"),
}


def _let_children_be_interrupted() -> None:
    """Give back to the processes that tests start what a shell's background or `nohup` has taken from us.

    An ignored signal stays ignored across exec, and a server that ignores SIGINT is another one than that of a person
    in front of it. A handler that does nothing ignores it for us alone: exec puts the default back in its place. What
    was ignored is told to the workers of pytest-xdist, which are such processes and are to outlive a terminal, too.
    """
    ignored = os.environ.get("TESTS_IGNORE_SIGNALS", "").split()
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN or number.name in ignored:
            signal.signal(number, lambda *_: None)
            ignored = sorted({*ignored, number.name})
    os.environ["TESTS_IGNORE_SIGNALS"] = " ".join(ignored)


_let_children_be_interrupted()
