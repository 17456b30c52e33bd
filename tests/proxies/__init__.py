"""Debian's proxies, with the configurations that we document, in front of a server of ours."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes.servers import free_port

_HERE = Path(__file__).parent
COMMANDS = {
    "caddy": ("Caddyfile", ["caddy", "run", "--adapter", "caddyfile", "--config"]),
    "nginx": ("nginx.conf", ["nginx", "-c"]),
    "haproxy": ("haproxy.cfg", ["haproxy", "-f"]),
}


@contextmanager
def proxy(name: str, server_port: int) -> Iterator[int]:
    """Run a proxy in front of a port, and yield its own."""
    file, command = COMMANDS[name]
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix=f"todo-{name}-"))
    text = (_HERE / file).read_text().replace("PORT", str(port)).replace("SERVER", str(server_port))
    (folder / file).write_text(text.replace("FOLDER", str(folder)))
    environment = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    process = subprocess.Popen([*command, str(folder / file)], env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int) -> None:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the proxy does not listen")
