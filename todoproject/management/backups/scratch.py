"""A database that is there for a moment: on the server of the settings, or on a PostgreSQL started for it."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from todoproject.database import direct_connection, embedded
from todoproject.management.backups import restoring
from todoproject.management.backups.errors import BackupError

PREFIX = "todo_verify_"  # `dbcheck` tells of those that a killed process has left
# What goes away in a moment need not survive a power cut.
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@contextmanager
def on_the_server() -> Iterator[BaseDatabaseWrapper]:
    """Yield a connection to a new database on the server of the settings; it is dropped at the end."""
    name = f"{PREFIX}{secrets.token_hex(4)}"
    with ExitStack() as undo:
        restoring.create(name, undo, otherwise="use --embedded")
        connection = direct_connection.wrapper(name)
        undo.callback(connection.close)
        yield connection


@contextmanager
def on_this_machine() -> Iterator[BaseDatabaseWrapper]:
    """Yield a connection to the database of a new embedded server, which ends, with its folder, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="todo-verify-"))
    folder.chmod(0o711)  # as root the server runs as somebody else, who must get to its data below
    data = folder / "postgres"
    try:
        embedded.start(data, options=_FAST)
        place = {"NAME": embedded.DATABASE, "USER": embedded.OWNER, "HOST": str(embedded.socket_directory(data))}
        database = {**settings.DIRECT_DATABASE, **place, "PASSWORD": "", "PORT": "5432", "OPTIONS": {}}
        connection = ConnectionHandler({"default": database})["default"]
        yield connection
        connection.close()
    except embedded.EmbeddedServerError as error:
        raise BackupError(str(error)) from error
    finally:
        embedded.stop()
        shutil.rmtree(embedded.socket_directory(data), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def url(connection: BaseDatabaseWrapper) -> str:
    """Return the URL of a connection, as DATABASE_URL takes it."""
    known = connection.settings_dict
    user = quote(known["USER"], safe="")
    password = f":{quote(known['PASSWORD'], safe='')}" if known["PASSWORD"] else ""
    options = {name: value for name, value in known["OPTIONS"].items() if isinstance(value, str)}
    host = known["HOST"]
    if host.startswith("/"):  # the folder of a socket
        options["host"], host = host, ""
    host = f"[{host}]" if ":" in host else host
    port = f":{known['PORT']}" if known["PORT"] else ""
    return f"postgresql://{user}{password}@{host}{port}/{quote(known['NAME'], safe='')}?{urlencode(options)}"
