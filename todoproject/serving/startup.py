"""What must be true of the database before a process serves: it answers, it is new enough, it is migrated."""

import logging
import random
import time

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from todoproject.database.embedded import EmbeddedServerError
from todoproject.database.errors import one_line, worth_another_try
from todoproject.monitoring import readiness

logger = logging.getLogger("todoproject")

# `runserver` sets it in a process that prepares, and then serves by itself: a second time would only cost.
is_done = False
# Likewise, in a process that has no others beside it: it does what nobody waits for, too.
runs_background = False


class StartFailed(Exception):
    """The process must not serve; the message is one line for the operator."""


def prepare_database() -> bool:
    """Wait for the database, check its version and fence, and migrate it with MIGRATE_ON_START.

    Returns whether the schema is up to date; if not, /health/ready says so. Raises StartFailed.
    """
    try:
        _wait_for_database()
        _check_version()
        if missing := _missing():
            if not settings.MIGRATE_ON_START:
                logger.warning("the schema is behind this code: run `python manage.py migrate`")
                return False
            logger.info("migrating", extra={"migrations": missing})
            call_command("migrate", verbosity=0, interactive=False)
        _check_fence()
        return True
    except EmbeddedServerError as error:
        raise StartFailed(str(error)) from error
    except CommandError as error:  # of migrate
        raise StartFailed(str(error)) from error
    except DatabaseError as error:
        raise StartFailed(f"the database could not be prepared: {one_line(error)}") from error
    finally:
        connection.close()


def _wait_for_database() -> None:
    deadline = time.monotonic() + settings.DATABASE_START_TIMEOUT
    delay = 0.2
    while True:
        try:
            connection.ensure_connection()
            return
        except OperationalError as error:
            cause = error.__cause__
            if time.monotonic() + delay > deadline or not worth_another_try(str(cause)):
                raise StartFailed(f"the database cannot be reached: {one_line(error)}") from error
            logger.warning("waiting for the database", extra={"reason": one_line(error)})
        time.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter is not a secret
        delay = min(delay * 2, 3.0)


def _check_version() -> None:
    if (problem := readiness.outdated(connection)) is not None:
        raise StartFailed(problem)


def _check_fence() -> None:
    """Refuse to serve in production where row-level security would not bind the API."""
    open_fences = "; ".join(readiness.open_fences(connection))
    if open_fences and settings.PRODUCTION:
        raise StartFailed(f"the fence around users' data is open: {open_fences}")
    if open_fences:
        logger.warning("the fence around users' data is open", extra={"reason": open_fences})


def _missing() -> int:
    """Return how many migrations have not been run yet."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
