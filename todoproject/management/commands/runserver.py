"""`runserver`: prepare the database, then serve, through the same server and code path as production."""

import argparse
import errno
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, connection
from uvicorn.supervisors import ChangeReload

from todoproject.monitoring.prometheus import counting
from todoproject.serving import startup
from todoproject.serving.companion import Companion
from todoproject.serving.protocol import Protocol
from todoproject.serving.server import Server
from todoproject.serving.supervisor import START_SECONDS, Supervisor
from todoproject.settings import env

logger = logging.getLogger("todoproject")

APPLICATION = "todoproject.asgi:application"
FIRST_PASSED_DESCRIPTOR = 3  # sd_listen_fds(3): systemd, and whoever does as it does, passes sockets from here on


class Command(BaseCommand):
    help = "Prepare the database and serve the API, the documentation and the admin."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", help="[HOST:]PORT; by default the settings HOST and PORT")
        parser.add_argument("--workers", type=int, default=settings.WORKERS, help="processes (setting WORKERS)")
        parser.add_argument("--reload", action="store_true", help="start again when a source file changes")
        # Descriptors of the listening socket and of the one to the supervisor: how that starts a worker.
        parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # an orderly exit, which stops the embedded server too
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup wants us to stay
            # The terminal is gone: end in order, too. A supervisor takes it for a reload.
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        if options["worker"]:
            listener, control = (socket.socket(fileno=descriptor) for descriptor in options["worker"])
            _serve(listener, control)
            return
        host, port = _address(options["address"])
        is_alone = options["workers"] == 1 and not options["reload"]
        with _passed_socket() or _listen(host, port) as listener, _counting(is_alone=is_alone):
            if settings.DATABASE_EMBEDDED and not settings.EMBEDDED_DATA_DIR.exists():
                self._say(f"Making a private PostgreSQL in {settings.EMBEDDED_DATA_DIR}: some seconds, this once ...")
            try:
                is_migrated = startup.prepare_database()
            except startup.StartFailed as error:
                raise CommandError(str(error)) from error
            password = _create_first_staff() if is_migrated else None
            self._announce(_url(listener), password)
            if options["reload"]:
                config = _config(reload=True)
                ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listener]).run()
            elif options["workers"] > 1:
                _supervise(listener, options["workers"])
            else:
                startup.is_done, startup.runs_background = True, settings.BACKGROUND
                _serve(listener)

    def _announce(self, url: str, password: str | None) -> None:
        """Say where it serves: to a person, or, where programs read, as a line of the log."""
        text = _banner(url, password)
        if settings.PRODUCTION and settings.LOG_FORMAT == "json":
            logger.info("serving", extra={"url": url})
            if password is None:
                return
            # Not through the log, whose other readers must not have it.
            facts = {"event": "first staff account", "email": settings.FIRST_STAFF_EMAIL, "password": password}
            text = json.dumps(facts)
        self._say(text)

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):  # closed (>&-), or its reader has gone
            self.stdout.write(text)
            self.stdout.flush()


def _address(text: str | None) -> tuple[str, int]:
    """Read `[HOST:]PORT`, as Django's own command does."""
    host, port = settings.HOST, str(settings.PORT)
    if text:
        given_host, _, port = text.rpartition(":")
        host = given_host.strip("[]") or host
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise CommandError(f"{text} is not [HOST:]PORT. Example: 127.0.0.1:8000")
    return host, int(port)


def _passed_socket() -> socket.socket | None:
    """Return the listening socket that systemd, or the like, has opened for us; None where there is none."""
    passed = {name: os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if passed["LISTEN_PID"] != str(os.getpid()):
        return None  # nothing was passed, or to somebody before us
    if passed["LISTEN_FDS"] != "1":
        raise CommandError(f"LISTEN_FDS is {passed['LISTEN_FDS']}, and one socket is all there can be")
    return socket.socket(fileno=FIRST_PASSED_DESCRIPTOR)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else: a second server on it must fail before it migrates or promises anything."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise CommandError(f"{host}:{port} {reason}. Choose another one: make run PORT={port + 1}") from error
    listener.set_inheritable(True)
    return listener


@contextmanager
def _counting(*, is_alone: bool) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(counting(is_alone=is_alone))
        except OSError as error:
            raise CommandError(f"METRICS_ADDRESS cannot be used: {error.strerror}. Example: 127.0.0.1:9100") from error
        yield


def _create_first_staff() -> str | None:
    """Create the first staff account and return its password; None where there is one, or none is wanted."""
    users = get_user_model().objects
    try:
        if not settings.FIRST_STAFF_EMAIL or users.filter(is_staff=True).exists():
            return None
        password = secrets.token_urlsafe(15)
        users.create_superuser(settings.FIRST_STAFF_EMAIL, password)
    except IntegrityError:  # somebody has this e-mail, or another process was faster
        return None
    finally:
        connection.close()
    return password


def _url(listener: socket.socket) -> str:
    name = listener.getsockname()
    return f"unix:{name}" if isinstance(name, str) else f"http://{_printable(name[0])}:{name[1]}"


def _printable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


def _banner(url: str, password: str | None) -> str:
    account = ""
    if password is not None:
        account = f"\n           {settings.FIRST_STAFF_EMAIL}, password {password}   (shown this once)"
    body = '{"email": "you@example.com", "password": "correct horse battery staple"}'
    return f"""
  API      {url}/v1
  Docs     {url}/docs
  Admin    {url}/admin/{account}

  Try      curl -X POST {url}/v1/auth/register -H 'Content-Type: application/json' -d '{body}'

  Stop with Ctrl-C.
"""


def _config(*, reload: bool = False) -> uvicorn.Config:
    return uvicorn.Config(
        APPLICATION,
        http=Protocol,
        ws="none",  # an upgrade to anything is refused
        log_config=None,
        access_log=False,  # ours is todoproject/http/middleware.py's
        server_header=False,
        proxy_headers=False,  # ours is todoproject/http/client_address.py
        reload=reload,
        timeout_keep_alive=settings.KEEP_ALIVE,
    )


def _serve(listener: socket.socket, control: socket.socket | None = None) -> None:
    server = Server(_config(), control)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return  # Ctrl-C is how one stops it
    if not server.started:
        raise CommandError("the server could not start; the log says why")


def _supervise(listener: socket.socket, count: int) -> None:
    def start(control: socket.socket) -> "subprocess.Popen[bytes]":
        return _start("runserver", "--worker", listener.fileno(), control.fileno())

    def start_companion(control: socket.socket) -> "subprocess.Popen[bytes]":
        return _start("runworker", "--control", control.fileno())

    supervisor = Supervisor(
        start,
        count,
        on_end=listener.close,
        drain_seconds=settings.SHUTDOWN_DELAY + settings.SHUTDOWN_TIMEOUT,
        start_seconds=START_SECONDS
        + settings.DATABASE_START_TIMEOUT
        + (settings.MIGRATION_PATIENCE if settings.MIGRATE_ON_START else 0),
        companion=Companion(start_companion) if settings.BACKGROUND else None,
    )
    if not supervisor.run():
        raise CommandError("the workers could not start; the log says why")


def _start(command: str, option: str, *descriptors: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, sys.argv[0], command, option, *map(str, descriptors)],
        env={**env.given, "METRICS_FOLDER": os.environ["METRICS_FOLDER"]},  # where they count together
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for us, and we tell them
    )
