#!/usr/bin/env python
"""Run the project's commands: `python manage.py help` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured


def _open_what_is_closed() -> None:
    """Give a process that was started with `>&-` or `2>&-` something to write to.

    Otherwise its first socket would be its standard output.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 -- for as long as we live


def main() -> None:
    _open_what_is_closed()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproject.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    try:
        settings.INSTALLED_APPS  # noqa: B018 -- loads the settings here, where a mistake in them can be told plainly
    except ImproperlyConfigured as error:
        sys.exit(f"todoproject: {error}")
    from todoproject.database.embedded import EmbeddedServerError
    from todoproject.database.errors import is_not_ready

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, EmbeddedServerError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"todoproject: {' '.join(str(error).split())}")
    except ProgrammingError as error:
        if "--traceback" in sys.argv or not is_not_ready(error.__cause__):
            raise
        sys.exit("todoproject: the schema is absent or older than this code: run `python manage.py migrate`")
    except BrokenPipeError:  # `| head` has seen enough
        if "--traceback" in sys.argv:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to write at the end would fail again
        sys.exit(128 + 13)  # as a shell tells of a program that SIGPIPE has ended
    except KeyboardInterrupt:
        if "--traceback" in sys.argv:
            raise
        print("todoproject: interrupted", file=sys.stderr)
        sys.exit(130)  # as a shell tells of a program that SIGINT has ended


if __name__ == "__main__":
    main()
