"""Where things are: the data folder, the files beside it, the socket."""

import hashlib
import os
import stat
from pathlib import Path

from .account import Account, reserved
from .errors import EmbeddedServerError

# Root's own place, for what the server's account could not reach elsewhere.
ROOT_HOME = Path("/var/lib/todoproject")

# libpq and the server build the file's name from the port, though no port is opened.
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
# The smallest sun_path, macOS's, is 104 bytes with its final NUL.
_SOCKET_PATH_BYTES = 103


def effective_directory(data_directory: Path) -> Path:
    """Return the folder that will really hold the data, without symbolic links.

    It is the one asked for, unless root asks for a folder that its server cannot reach (a checkout below
    /root): then it is one below /var/lib/todoproject. A folder that holds data already is kept, so the
    answer does not change under it.
    """
    directory = Path(os.path.realpath(data_directory))
    if os.geteuid() or (directory / "PG_VERSION").exists():
        return directory
    fallback = ROOT_HOME / f"{directory.name[:40]}-{_digest(directory)}"
    if (fallback / "PG_VERSION").exists() or not reachable(directory, reserved()):
        return fallback
    return directory


def socket_directory(data_directory: Path) -> Path:
    """Return the folder of the unix socket: the data folder, or one in /tmp where its path is too long."""
    directory = effective_directory(data_directory)
    path = os.fsencode(directory / SOCKET)
    # A comma separates hosts for libpq.
    if len(path) <= _SOCKET_PATH_BYTES and b"," not in path:
        return directory
    return Path("/tmp") / f"todoproject-{_digest(directory)}"  # noqa: S108 -- its owner is checked before use


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def run_directory(directory: Path) -> Path:
    """Return the folder of what must be there before the data folder is: locks, log, an unfinished initdb."""
    return beside(directory, ".run")


def make_parents(directory: Path) -> None:
    """Make the missing folders above the data folder; those that exist keep their permissions."""
    for parent in reversed(directory.parents):
        if not parent.exists():
            parent.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                # Root's umask may be strict, and the server's account has to pass.
                parent.chmod(0o755)


def make_private(path: Path, account: Account) -> None:
    """Make a folder that only the account may enter, or one with its own group: for the socket, or for the locks.

    Raise `EmbeddedServerError` where the name is taken: whoever owns that folder could pose as our server.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (account.uid, os.geteuid())
    others = 0o067 if _is_own_group(found.st_gid, account) else 0o077
    if not ours or found.st_mode & others:
        raise EmbeddedServerError(
            f"{path} must be a folder that only {account.name} may enter, and it is not: "
            "look whose it is, and remove it."
        )
    if found.st_uid != account.uid:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _is_own_group(gid: int, account: Account) -> bool:
    """Tell whether initdb's way into a folder is open for nobody else (see `account.listed`)."""
    return os.geteuid() == 0 and account == reserved() and gid == account.gid


def reachable(path: Path, account: Account) -> bool:
    return all(account.may_enter(parent) for parent in path.parents if parent.is_dir())


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
