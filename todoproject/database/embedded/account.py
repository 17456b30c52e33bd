"""The operating system's user that owns the data folder and runs the server."""

import errno
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedServerError

# Nothing of the app's environment reaches the server: neither PGPORT and its kin, which would bend our
# settings, nor secrets. English messages, because some are read; a set LC_ALL also keeps macOS from
# starting a thread in the postmaster, which refuses to run with one.
# A user and a group that nobody else has, for root's server: whoever shares its server's user reaches its files and its
# socket, and is superuser of the database. Numbers between those of people and those of services; systems that give
# users numbers of their own (containers) know them too.
_OWN_ID = 59_713

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"

    def may_enter(self, folder: Path) -> bool:
        """Tell whether the mode bits let this account pass through a folder (access lists are not read)."""
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid == self.gid else 0o001))

    def run(
        self,
        command: Sequence[str | Path],
        *,
        output: int = subprocess.PIPE,
        keep: Sequence[int] = (),
        env: Mapping[str, str] = {},
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this account, away from the terminal and its Ctrl-C; both outputs go to `output`.

        Raise `EmbeddedServerError` where root may not change its user, and `OSError` where the command
        cannot be executed.
        """
        drop = self.uid != os.geteuid()
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd="/",  # The account may have no right to enter ours.
                env={**_ENVIRONMENT, **env},
                pass_fds=keep,
                start_new_session=True,
                umask=0o077,
                user=self.uid if drop else None,
                group=self.gid if drop else None,
                extra_groups=[] if drop else None,
                check=False,
            )
        except OSError as error:
            if drop and error.errno in (errno.EPERM, errno.EINVAL):
                raise EmbeddedServerError(
                    f"PostgreSQL does not run as root, and root may not become user {self.name} here "
                    f"({error.strerror}; it takes CAP_SETUID and CAP_SETGID): run as an ordinary user, "
                    "or set DATABASE_URL to a PostgreSQL."
                ) from error
            raise


def current() -> Account:
    return Account(os.geteuid(), os.getegid())


def server_account(directory: Path) -> Account:
    """Return who runs the server on a data folder: ourselves, and for root the folder's owner, else a user of its own.

    Raise `EmbeddedServerError` where the folder belongs to somebody we cannot be, and `OSError` where it
    cannot be seen.
    """
    try:
        found = directory.stat()
    except FileNotFoundError:
        return current() if os.geteuid() else reserved()
    if os.geteuid():
        if found.st_uid != os.geteuid():
            owner = Account(found.st_uid, found.st_gid).name
            raise EmbeddedServerError(
                f"The data folder {directory} belongs to {owner}: run as {owner}, or choose another folder."
            )
        return current()
    if found.st_uid:
        return Account(found.st_uid, _login_group(found.st_uid, otherwise=found.st_gid))
    if (directory / "PG_VERSION").exists():
        raise EmbeddedServerError(
            f"The data folder {directory} belongs to root, and PostgreSQL does not run as root: "
            f"chown -R {reserved().uid}:{reserved().gid} {directory}"
        )
    return reserved()


def reserved() -> Account:
    """Return the first user from ours down that is in no table of users: no other process runs as that."""
    uid = _OWN_ID
    while _is_known(uid):
        uid -= 1
    return Account(uid, uid)


def listed(account: Account) -> Account:
    """Return an account that initdb runs as, which wants to look its user up: with the same group, if need be `nobody`.

    The group alone lets it into the folder, and keeps the other processes of `nobody` out, and their hands off it.
    """
    return account if _is_known(account.uid) or os.geteuid() else Account(nobody().uid, account.gid)


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def nobody() -> Account:
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and there is no user nobody to run it: run as an ordinary user."
        ) from None
    return Account(found.pw_uid, found.pw_gid)


def _login_group(uid: int, *, otherwise: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return otherwise
