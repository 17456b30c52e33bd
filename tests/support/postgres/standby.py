"""A real replica of the tests' PostgreSQL: copied by pg_basebackup, streaming, and as late as a test wants it."""

import shutil
import subprocess
import time
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.environment import FOLDER
from tests.support.postgres.databases import connect
from todoproject.database import embedded
from todoproject.database.embedded import binaries, postmaster
from todoproject.database.embedded.account import server_account
from todoproject.database.embedded.folders import make_private, run_directory
from todoproject.database.embedded.postmaster import Place


class Standby:
    """A server of its own, on a socket of its own, that shows what the tests' server has written."""

    def __init__(self, name: str = "standby") -> None:
        directory = FOLDER / name
        account = server_account(FOLDER / "postgres")
        self._place = Place(directory, embedded.socket_directory(directory), account)
        self._programs = binaries.find(None, account, directory)
        self.socket = self._place.socket

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """Connect as the superuser."""
        return connect(database, host=str(self.socket), user="postgres", autocommit=True)

    def start(self) -> None:
        # A receiver that has lost its sender tries again at once, and not after five seconds.
        own = {"hot_standby": "on", "fsync": "off", "wal_retrieve_retry_interval": "100ms"}
        postmaster.launch(self._place, self._programs, own)

    def stop(self) -> None:
        postmaster.halt(self._place)

    def pause(self) -> None:
        """Let it fall behind from now on."""
        with self.connect() as connection:
            connection.execute("SELECT pg_wal_replay_pause()")

    def catch_up(self) -> None:
        """Let it go on, and wait until it shows all that is written by now."""
        with connect("postgres", user="postgres", autocommit=True) as primary:
            written = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            # Where a record has ended with a page, that is behind the next page's head, which only another one passes.
            primary.execute("SELECT pg_logical_emit_message(true, 'catch up', '')")
        with self.connect() as connection:
            connection.execute("SELECT pg_wal_replay_resume()")
            for _ in range(3000):
                if connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written).fetchone() == (True,):
                    return
                time.sleep(0.01)
        raise AssertionError("the replica does not catch up")

    def __enter__(self) -> Self:
        place, primary = self._place, embedded.socket_directory(FOLDER / "postgres")
        make_private(run_directory(place.directory), place.account)
        for folder in {place.socket, place.directory}:
            make_private(folder, place.account)
        copied = place.account.run(
            [
                *(self._programs["pg_basebackup"], "-h", primary, "-p", "5432", "-U", "postgres"),
                *("-D", place.directory, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            output=subprocess.PIPE,
        )
        assert copied.returncode == 0, copied.stdout
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._place.directory)
