"""Where one request ends and the next one begins, in the only reading that nobody could read otherwise (RFC 9112).

A server and a proxy that find two different ends in the same bytes give one client the answer of another: request
smuggling. So what this module accepts is narrower than what HTTP allows a server to repair, and everything else is
refused with the connection. Nothing here knows sockets; h11 must agree with every request that is accepted (tests).
"""

import re
from typing import NamedTuple

from todoproject.http.problems import HEAD_TOO_LARGE, MALFORMED_REQUEST, Problem, ProblemType

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
# The one path whose body may be large, and take its time: a file.
LONG_BODY = "/v1/imports"
# So many chunks may be as small as they like; beyond, they must hold this many bytes each, on average. A body of bytes,
# each in a chunk of its own, would keep the event loop busy for seconds.
_MANY_CHUNKS, _SMALL_CHUNK = 1024, 16
_MAX_CHUNK_LINE = 256  # a size and its extensions, which nobody uses
_MAX_TRAILERS = 8 * 1024

# The methods of RFC 9110 and 5789, and those of WebDAV, which are answered 405. Metrics count by method: no free text.
METHODS = frozenset(
    b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE ACL BIND CHECKOUT COPY LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL"
    b" MOVE NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SUBSCRIBE UNBIND UNLINK UNLOCK"
    b" UNSUBSCRIBE".split()
)

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]"  # no CR, LF or NUL, so that a line has one end
# Possessive, so that no input takes more than linear time.
_HEAD = re.compile(rb"([A-Z]++) ([!-~]++) HTTP/1\.([01])\r\n((?:" + _TOKEN + rb"++:" + _VALUE + rb"*+\r\n)*+)\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{1,5}+)?+")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*+)([^#]*+)", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}+")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8}+)(?:;" + _VALUE + rb"*+)?+")
_TRAILERS = re.compile(rb"(?:" + _TOKEN + rb"++:" + _VALUE + rb"*+\r\n)*+")
# What cannot become a head, however it goes on: other control characters, and ends of lines that are not CR and LF.
_HOPELESS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?=[^\n])")
_START = re.compile(rb"(?:\r\n?)?[A-Z]{0,20}(?: |\Z)")
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"))

Headers = list[tuple[bytes, bytes]]


class Head(NamedTuple):
    """The head of a request. `length` is that of its body in bytes; None: it comes in chunks."""

    method: str
    path: bytes
    query: bytes
    version: str
    headers: Headers
    length: int | None
    keep_alive: bool
    expects_continue: bool


class Refused(Exception):
    """These bytes are no request, or one that two readers could read differently. `problem` is what to answer."""

    def __init__(self, detail: str, type: ProblemType = MALFORMED_REQUEST) -> None:
        super().__init__(detail)
        self.problem = Problem(type, detail)


def may_begin(data: bytes) -> bool:
    """Tell whether a request may begin like this."""
    return _START.match(data) is not None


def find_head(data: bytes, looked_at: int) -> int:
    """Return where the head at the start of `data` ends, or 0. Raises Refused.

    The first `looked_at` bytes were there last time: a head that comes byte by byte is not searched from its start.
    """
    end = data.find(b"\r\n\r\n", max(0, looked_at - 3)) + 4
    if end > MAX_HEAD_BYTES or (end == 3 and len(data) > MAX_HEAD_BYTES):
        raise Refused("The head of a request may have up to 32 KiB.", HEAD_TOO_LARGE)
    if end > 3:
        return end
    if not may_begin(data) or _HOPELESS.search(data, max(0, looked_at - 1)):
        raise Refused("This is not HTTP/1.1.")
    return 0


def parse_head(data: bytes) -> Head:
    """Parse a head, from its method to its empty line. Raises Refused."""
    if (match := _HEAD.fullmatch(data)) is None:
        raise Refused("This is not HTTP/1.1.")
    method, target, minor, lines = match.groups()
    if method not in METHODS:
        raise Refused("This is no method.")
    headers, framing = _split(lines)
    host = _host(framing.get(b"host", []), is_required=minor == b"1")
    path, query = _target(target, method, host)
    connection = [token.strip().lower() for value in framing.get(b"connection", ()) for token in value.split(b",")]
    _refuse_upgrade(framing, connection)
    return Head(
        method.decode(),
        path,
        query,
        "1.1" if minor == b"1" else "1.0",
        headers,
        _length(framing, is_old=minor == b"0"),
        keep_alive=minor == b"1" and b"close" not in connection,
        expects_continue=[value.lower() for value in framing.get(b"expect", ())] == [b"100-continue"],
    )


def _split(lines: bytes) -> tuple[Headers, dict[bytes, list[bytes]]]:
    """Return all headers, and of those that frame a request the values of each."""
    headers: Headers = []
    framing: dict[bytes, list[bytes]] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        headers.append((name, value))
        if name in _FRAMING:
            framing.setdefault(name, []).append(value)
    if len(headers) > MAX_HEADERS:
        raise Refused(f"A request may have up to {MAX_HEADERS} headers.", HEAD_TOO_LARGE)
    return headers, framing


def _host(values: list[bytes], *, is_required: bool) -> bytes | None:
    """Return what Host says, which HTTP/1.1 wants exactly once (RFC 9112, section 3.2)."""
    if not values and not is_required:
        return None
    if len(values) != 1 or _HOST.fullmatch(values[0]) is None:
        raise Refused("A request names its host once, in Host.")
    return values[0].lower()


def _target(target: bytes, method: bytes, host: bytes | None) -> tuple[bytes, bytes]:
    """Return path and query. An address in full must name the host that Host names (RFC 9112, section 3.2.2)."""
    if target[:1] != b"/" and target != b"*":
        match = _ABSOLUTE.fullmatch(target)
        if match is None or match[1].lower() != host:
            raise Refused("This is no target of a request to this host.")
        target = match[2] if match[2][:1] == b"/" else b"/" + match[2]
    if b"#" in target or (target == b"*" and method != b"OPTIONS"):
        raise Refused("This is no target of a request.")
    path, _, query = target.partition(b"?")
    return path, query


def _refuse_upgrade(framing: dict[bytes, list[bytes]], connection: list[bytes]) -> None:
    """Refuse to speak anything else: what follows would be no request any more, for whoever takes part in it."""
    if b"upgrade" in framing:
        raise Refused("This server speaks HTTP/1.1 and upgrades to nothing: leave out the header Upgrade.")
    if not _FRAMING.isdisjoint({*connection} - {b"upgrade"}):
        raise Refused("Connection names a header that the next server needs, too.")


def _length(framing: dict[bytes, list[bytes]], *, is_old: bool) -> int | None:
    """Return the length of the body; None: chunks. One way to tell it, in one reading (RFC 9112, section 6)."""
    lengths, codings = framing.get(b"content-length", []), framing.get(b"transfer-encoding", [])
    if codings:
        if lengths or is_old or len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Refused("Transfer-Encoding may be chunked, once, in HTTP/1.1, without Content-Length.")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise Refused("Content-Length is one number.")
    return int(lengths[0])


class Body:
    """What is still to come of a request's body."""

    def __init__(self, length: int | None) -> None:
        self._is_chunked = length is None
        self._left = length or 0  # of the body, or of the present chunk
        self._part = "size"  # of a chunked body: size, data, end, trailers
        self._chunks = self._size = 0  # how many there were, and what they say they hold
        self.is_complete = length == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the body's part of what has come in, and what is not, or not yet, part of it. Raises Refused."""
        if self._is_chunked:
            return self._take_chunks(data)
        piece, rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self.is_complete = not self._left
        return piece, rest

    def _take_chunks(self, data: bytes) -> tuple[bytes, bytes]:
        pieces: list[bytes] = []
        at = 0
        while not self.is_complete and (after := self._step(data, at, pieces)) is not None:
            at = after
        return b"".join(pieces), data[at:]

    def _step(self, data: bytes, at: int, pieces: list[bytes]) -> int | None:
        """Read one part that begins at `at`; return where it ends, None where the rest of it has yet to come."""
        if self._part == "data":
            return self._read_data(data, at, pieces)
        if self._part == "end":
            return self._read_end(data, at)
        return self._read_size(data, at) if self._part == "size" else self._read_trailers(data, at)

    def _read_size(self, data: bytes, at: int) -> int | None:
        end = _line_end(data, at, _MAX_CHUNK_LINE)
        if end is None:
            return None
        if (match := _CHUNK_LINE.fullmatch(data, at, end)) is None:
            raise Refused("A chunk begins with its size.")
        self._left = int(match[1], 16)
        self._chunks, self._size = self._chunks + 1, self._size + self._left
        if self._left and self._chunks > _MANY_CHUNKS and self._size < self._chunks * _SMALL_CHUNK:
            raise Refused("The body comes in too many and too small chunks.")
        self._part = "data" if self._left else "trailers"
        return end + 2

    def _read_data(self, data: bytes, at: int, pieces: list[bytes]) -> int | None:
        piece = data[at : at + self._left]
        if not piece:
            return None
        pieces.append(piece)
        self._left -= len(piece)
        self._part = "end" if not self._left else "data"
        return at + len(piece)

    def _read_end(self, data: bytes, at: int) -> int | None:
        if not b"\r\n".startswith(data[at : at + 2]):
            raise Refused("A chunk is longer than its size.")
        self._part = "size" if len(data) - at >= 2 else "end"
        return at + 2 if self._part == "size" else None

    def _read_trailers(self, data: bytes, at: int) -> int | None:
        """Read over what follows the last chunk; nothing in it counts (RFC 9112, section 7.1.2)."""
        end = at if data[at : at + 2] == b"\r\n" else data.find(b"\r\n\r\n", at) + 2
        if end == 1:
            _refuse_hopeless(data, at, _MAX_TRAILERS)
            return None
        if end - at > _MAX_TRAILERS or _TRAILERS.fullmatch(data, at, end) is None:
            raise Refused("What follows the last chunk is not a list of headers.")
        self.is_complete = True
        return end + 2


def _line_end(data: bytes, at: int, longest: int) -> int | None:
    end = data.find(b"\r\n", at, at + longest + 2)
    if end < 0:
        _refuse_hopeless(data, at, longest)
        return None
    return end


def _refuse_hopeless(data: bytes, at: int, longest: int) -> None:
    if len(data) - at > longest or _HOPELESS.search(data, at):
        raise Refused("The body's chunks cannot be read.")
