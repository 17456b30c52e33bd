"""`python -m tests.faults`: the fault suite. It needs Linux, whose /proc it reads, and PgBouncer."""

import logging
import os
import sys

import django


def main() -> int:
    # First: it clears the developer's settings from the environment, which the servers will inherit.
    from tests import environment  # noqa: F401 -- for what it does

    os.environ["DJANGO_SETTINGS_MODULE"] = "todoproject.settings"
    django.setup()  # what the tests share knows the models
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it asks until a server has started
    logging.getLogger("todoproject").setLevel(logging.ERROR)  # what staff do here is no news

    from tests.faults import runner

    return runner.main()


if __name__ == "__main__":
    sys.exit(main())
