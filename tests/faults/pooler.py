"""PgBouncer in transaction mode, as Neon's pooled endpoint is: any statement may meet any server connection."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from todoproject.database import embedded

# Round robin over at least five server connections: with one, or the last one used first, state that is left
# behind would come back to whom it belongs, and bugs would hide.
SERVERS = 8
_SETTINGS = f"""
[databases]
{embedded.DATABASE} = host={{upstream}} port=5432
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {{folder}}
auth_type = trust
auth_file = {{folder}}/users.txt
pool_mode = transaction
server_round_robin = 1
default_pool_size = {SERVERS}
min_pool_size = 5
max_client_conn = 500
server_login_retry = 1
logfile = {{folder}}/pgbouncer.log
"""
EXECUTABLE = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")


def is_installed() -> bool:
    """Tell whether this machine has PgBouncer; Debian keeps it where an ordinary user's PATH does not look."""
    return EXECUTABLE is not None


def as_the_server(folder: Path, upstream: Path) -> dict[str, Any]:
    """Return how to start a program that refuses to run as root: as the user of our server, whom this gives a folder.

    Nobody else reaches that server's socket.
    """
    if os.geteuid():
        return {}
    owner = upstream.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def version() -> str:
    """Return PgBouncer's version."""
    answer = subprocess.run([EXECUTABLE or "pgbouncer", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[1]


class Pooler:
    """PgBouncer in front of a server's unix socket."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self._folder = folder
        self._upstream = upstream
        self._process: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        """The unix socket that it listens on."""
        return self._folder / ".s.PGSQL.6432"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / "users.txt").write_text(f'"{embedded.OWNER}" ""\n')
        settings = self._folder / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(folder=self._folder, upstream=self._upstream.parent))
        command = [EXECUTABLE or "pgbouncer", "-q"]
        user = as_the_server(self._folder, self._upstream.parent)
        self.socket.unlink(missing_ok=True)  # a killed one leaves it behind
        self._process = await asyncio.create_subprocess_exec(
            *command, settings, stderr=asyncio.subprocess.DEVNULL, **user
        )
        for _ in range(500):
            if self.socket.exists():
                return
            await asyncio.sleep(0.01)
        raise RuntimeError(f"PgBouncer does not start:\n{(self._folder / 'pgbouncer.log').read_text()}")

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
