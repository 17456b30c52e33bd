"""A private PostgreSQL on this machine, for `make run`, the tests and CI (`DATABASE_URL=embedded`).

It listens on one unix socket in a folder that only its own user may enter: no TCP port, no password.
Processes that call `start` share the server, and the last one to leave stops it. Beside the data folder
lies one named `<name>.run` with the locks and the log.
"""

import sys

from .catalog import DATABASE, OWNER
from .errors import EmbeddedServerError

# Windows has neither flock nor users to drop to; a settings file may import this module there all the same.
if sys.platform == "win32":
    from .windows import effective_directory, socket_directory, start, stop
else:
    from .folders import effective_directory, socket_directory
    from .server import start, stop

__all__ = [
    "DATABASE",
    "OWNER",
    "EmbeddedServerError",
    "effective_directory",
    "socket_directory",
    "start",
    "stop",
]
