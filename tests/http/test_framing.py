"""Where requests begin and end: one reading, the same however the bytes are cut, and the same as h11's."""

import random

import h11
import pytest

from todoproject.http import framing
from todoproject.http.framing import MAX_HEAD_BYTES, MAX_HEADERS, Body, Refused

HOST = b"Host: api.example.com"
HEAD = b"GET /v1/tasks?limit=1 HTTP/1.1\r\n" + HOST + b"\r\nX-A: b \r\nX-Empty:\r\n\r\n"


def _head(*lines: bytes, first: bytes = b"POST /v1/tasks HTTP/1.1") -> bytes:
    return b"\r\n".join([first, *lines, b"", b""])


REFUSED = {
    "upgrade": _head(HOST, b"Connection: Upgrade", b"Upgrade: foo", b"Content-Length: 5"),
    "upgrade that nobody announces": _head(HOST, b"Upgrade: foo"),
    "h2c": _head(HOST, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ"),
    "websocket": _head(HOST, b"Connection: Upgrade", b"Upgrade: websocket"),
    "upgrade without a value": _head(HOST, b"Upgrade:"),
    "CONNECT": _head(HOST, first=b"CONNECT api.example.com:443 HTTP/1.1"),
    "length and chunks": _head(HOST, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "two lengths": _head(HOST, b"Content-Length: 5", b"Content-Length: 6"),
    "the same length twice": _head(HOST, b"Content-Length: 5", b"Content-Length: 5"),
    "a list of lengths": _head(HOST, b"Content-Length: 5, 5"),
    "length with a sign": _head(HOST, b"Content-Length: +5"),
    "negative length": _head(HOST, b"Content-Length: -5"),
    "length with a blank": _head(HOST, b"Content-Length: 5 5"),
    "length in hexadecimal": _head(HOST, b"Content-Length: 0x5"),
    "length without a number": _head(HOST, b"Content-Length:"),
    "length in other digits": _head(HOST, b"Content-Length: \xb2"),
    "length beyond 64 bits": _head(HOST, b"Content-Length: " + b"9" * 30),
    "other coding": _head(HOST, b"Transfer-Encoding: gzip"),
    "list of codings": _head(HOST, b"Transfer-Encoding: gzip, chunked"),
    "coding twice": _head(HOST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "identity": _head(HOST, b"Transfer-Encoding: identity"),
    "coding with a vertical tab": _head(HOST, b"Transfer-Encoding: \x0bchunked"),
    "coding in quotes": _head(HOST, b'Transfer-Encoding: "chunked"'),
    "coding in HTTP/1.0": _head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"),
    "folded line": _head(HOST, b"X-A: b", b" c"),
    "folded coding": _head(HOST, b"Transfer-Encoding:", b" chunked"),
    "blank before the colon": _head(HOST, b"Content-Length : 5"),
    "blank before the name": _head(b" Host: x", HOST),
    "line without a colon": _head(HOST, b"Content-Length"),
    "line without a name": _head(HOST, b": 5"),
    "bare line feed": _head(HOST, b"X-A: b\nTransfer-Encoding: chunked"),
    "bare carriage return": _head(HOST, b"X-A: b\rTransfer-Encoding: chunked"),
    "NUL": _head(HOST, b"X-A: \0"),
    "two hosts": _head(HOST, b"Host: evil.example"),
    "no host": _head(b"X-A: b"),
    "empty host": _head(b"Host:"),
    "host with a path": _head(b"Host: api.example.com/x"),
    "host with somebody": _head(b"Host: me@api.example.com"),
    "list of hosts": _head(b"Host: api.example.com, evil.example"),
    "address of another host": _head(HOST, first=b"GET http://evil.example/ HTTP/1.1"),
    "address of another port": _head(HOST, first=b"GET http://api.example.com:81/ HTTP/1.1"),
    "address of another scheme": _head(HOST, first=b"GET ftp://api.example.com/ HTTP/1.1"),
    "no slash": _head(HOST, first=b"GET v1 HTTP/1.1"),
    "fragment": _head(HOST, first=b"GET /v1#x HTTP/1.1"),
    "asterisk": _head(HOST, first=b"GET * HTTP/1.1"),
    "two blanks": _head(HOST, first=b"GET  / HTTP/1.1"),
    "tab": _head(HOST, first=b"GET\t/ HTTP/1.1"),
    "blank in the target": _head(HOST, first=b"GET /a b HTTP/1.1"),
    "blank behind the version": _head(HOST, first=b"GET / HTTP/1.1 "),
    "HTTP/0.9": _head(first=b"GET /"),
    "HTTP/1.2": _head(HOST, first=b"GET / HTTP/1.2"),
    "HTTP/2": _head(first=b"PRI * HTTP/2.0"),
    "http/1.1": _head(HOST, first=b"GET / http/1.1"),
    "small letters": _head(HOST, first=b"get / HTTP/1.1"),
    "unknown method": _head(HOST, first=b"FROB / HTTP/1.1"),
    "a length that does not travel on": _head(HOST, b"Connection: close, Content-Length", b"Content-Length: 5"),
    "too many headers": _head(HOST, *[b"a:"] * MAX_HEADERS),
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED.keys())
def test_head_that_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    assert framing.find_head(HEAD + head, 0) == len(HEAD)  # only the first
    with pytest.raises(Refused):
        framing.parse_head(head[: framing.find_head(head, 0) or None])


def test_head_is_read_to_the_letter() -> None:
    head = framing.parse_head(HEAD)

    assert (head.method, head.path, head.query, head.version) == ("GET", b"/v1/tasks", b"limit=1", "1.1")
    assert head.headers == [(b"host", b"api.example.com"), (b"x-a", b"b"), (b"x-empty", b"")]
    assert (head.length, head.keep_alive, head.expects_continue) == (0, True, False)


@pytest.mark.parametrize(
    ("first", "host", "path", "query"),
    [
        (b"GET http://API.example.com/v1?a=/ HTTP/1.1", b"api.example.com", b"/v1", b"a=/"),
        (b"GET https://api.example.com?a HTTP/1.1", b"api.example.com", b"/", b"a"),
        (b"GET http://[::1]:80 HTTP/1.1", b"[::1]:80", b"/", b""),
        (b"OPTIONS * HTTP/1.1", b"x", b"*", b""),
        (b"GET //v1/../a?b?c HTTP/1.1", b"x", b"//v1/../a", b"b?c"),
    ],
)
def test_targets(first: bytes, host: bytes, path: bytes, query: bytes) -> None:
    head = framing.parse_head(_head(b"Host: " + host, first=first))

    assert (head.path, head.query) == (path, query)


def test_old_clients_need_no_host_and_end_after_an_answer() -> None:
    head = framing.parse_head(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert (head.version, head.keep_alive) == ("1.0", False)


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES + 1, MAX_HEAD_BYTES * 3])
def test_head_has_a_largest_size_whether_it_ends_or_not(size: int) -> None:
    long = b"GET / HTTP/1.1\r\n" + HOST + b"\r\nX-A: "
    at_most = long + b"a" * (MAX_HEAD_BYTES - len(long) - 4) + b"\r\n\r\n"
    assert framing.find_head(at_most, 0) == MAX_HEAD_BYTES

    for head in (long + b"a" * (size - len(long) - 4) + b"\r\n\r\n", long + b"a" * size):
        with pytest.raises(Refused) as refused:
            framing.find_head(head, 0)
        assert refused.value.problem.type.status == 431


@pytest.mark.parametrize("start", [b"\x16\x03\x01", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\rHost"])
def test_what_cannot_become_a_head_is_not_waited_for(start: bytes) -> None:
    with pytest.raises(Refused):
        framing.find_head(start, 0)


# --- Bodies ---------------------------------------------------------------------------------------

NEXT = b"GET /next HTTP/1.1\r\n"
CHUNKED = {
    "plain": (b'7\r\n{"title\r\n6\r\n":"x"}\r\n0\r\n\r\n', b'{"title":"x"}'),
    "extensions": (b'00d;a=b;c="d"\r\n' + b"x" * 13 + b"\r\n0;e\r\n\r\n", b"x" * 13),
    "trailers": (b"1\r\nx\r\n0\r\nX-A: b\r\nContent-Length: 9\r\n\r\n", b"x"),
    "empty": (b"0\r\n\r\n", b""),
    "ends of lines": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
}
BROKEN = {
    "no size": b"zz\r\n",
    "negative": b"-1\r\n",
    "sign": b"+1\r\n",
    "0x": b"0x1\r\n",
    "blank": b"1 \r\n",
    "blank in front": b" 1\r\n",
    "too large": b"fffffffff\r\n",
    "line feed": b"1\nx\r\n",
    "line feed in an extension": b"1;a\nb\r\nx\r\n",
    "carriage return in an extension": b"1;a\rb\r\nx\r\n",
    "long extension": b"1;" + b"a" * 300,
    "longer than its size": b"1\r\nxy\r\n",
    "data that ends in a line feed": b"1\r\nx\n0\r\n\r\n",
    "trailer without a colon": b"0\r\nX-A\r\n\r\n",
    "folded trailer": b"0\r\nX-A: b\r\n c\r\n\r\n",
    "trailer with a line feed": b"0\r\nX-A: b\n\r\n\r\n",
    "endless trailers": b"0\r\n" + b"X-A: b\r\n" * 2_000,
}


def _take(pieces: list[bytes], length: int | None) -> tuple[bytes, bytes]:
    """Return the body and what follows it, from bytes that come in these pieces."""
    body, taken, waiting = Body(length), b"", b""
    for piece in pieces:
        waiting += piece
        if not body.is_complete:
            part, waiting = body.take(waiting)
            taken += part
    assert body.is_complete
    return taken, waiting


@pytest.mark.parametrize(("sent", "body"), CHUNKED.values(), ids=CHUNKED.keys())
def test_chunks_end_at_the_same_byte_wherever_they_are_cut(sent: bytes, body: bytes) -> None:
    stream = sent + NEXT
    for cut in range(len(stream) + 1):
        assert _take([stream[:cut], stream[cut:]], None) == (body, NEXT)
    assert _take([bytes([byte]) for byte in stream], None) == (body, NEXT)


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN.keys())
def test_broken_chunks_are_refused_wherever_they_are_cut(sent: bytes) -> None:
    for cut in range(min(len(sent), 300)):
        with pytest.raises(Refused):
            _take([sent[:cut], sent[cut:]], None)


@pytest.mark.parametrize(("count", "size", "is_read"), [(1024, 1, True), (1025, 1, False), (60_000, 16, True)])
def test_small_chunks_are_for_small_bodies(count: int, size: int, is_read: bool) -> None:
    """Each costs a microsecond and more: a MiB of one-byte chunks held the event loop for seconds."""
    sent = b"%x\r\n%b\r\n" % (size, b"x" * size) * count + b"0\r\n\r\n"
    if is_read:
        body = Body(None)
        assert len(body.take(sent)[0]) == count * size
        assert body.is_complete
    else:
        with pytest.raises(Refused, match="too small chunks"):
            Body(None).take(sent)


def test_body_of_a_length_ends_there_wherever_it_is_cut() -> None:
    stream = b"12345" + NEXT
    for cut in range(len(stream) + 1):
        assert _take([stream[:cut], stream[cut:]], 5) == (b"12345", NEXT)


# --- Another reader -------------------------------------------------------------------------------

_PIECES = [
    *(b"GET /a HTTP/1.1\r\n", b"POST /b?c HTTP/1.1\r\n", b"PUT / HTTP/1.0\r\n", HOST + b"\r\n", b"Host: x\r\n"),
    *(b"Content-Length: 3\r\n", b"Content-Length: 03\r\n", b"Content-Length: 3, 3\r\n", b"content-length:4\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-encoding:Chunked \r\n", b"Transfer-Encoding: x\r\n"),
    *(b"Connection: close\r\n", b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n"),
    *(b"X-A: b\r\n", b" folded\r\n", b"X-B : c\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"abc", b"3\r\nabc\r\n"),
    *(b"0\r\n\r\n", b"0;x\r\nX-T: y\r\n\r\n", b"3;y\r\n", b"4 \r\n", b"\0"),
]


def _as_h11_reads(stream: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes, bytes]:
    """Return target, headers, body and what follows, of the first request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(stream)
    request, body = connection.next_event(), b""
    assert isinstance(request, h11.Request)
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += bytes(event.data)
    return request.target, list(request.headers), body, connection.trailing_data[0]


def _as_we_read(stream: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes, bytes] | None:
    try:
        end = framing.find_head(stream, 0)
        if not end:
            return None
        head, body = framing.parse_head(stream[:end]), Body(0)
        body = Body(head.length)
        taken, rest = body.take(stream[end:])
    except Refused:
        return None
    target = head.path + (b"?" + head.query if b"?" in stream[: stream.index(b"\r\n")] else b"")
    # h11 writes the coding in small letters.
    headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in head.headers]
    return (target, headers, taken, rest) if body.is_complete else None


def test_whatever_is_accepted_is_what_h11_reads() -> None:
    """Streams of plausible and odd pieces: a request that we accept is one to h11, with the same ends."""
    dice, accepted = random.Random(1), 0
    for _ in range(60_000):
        first, *others = dice.choices(_PIECES[:3]) + dice.choices(_PIECES[3:], k=dice.randrange(1, 7))
        stream = b"".join([first, HOST + b"\r\n" if dice.random() < 0.7 else b"", *others])
        if dice.random() < 0.7:
            stream += b"\r\n" + b"".join(dice.choices(_PIECES, k=3))
        if (ours := _as_we_read(stream)) is not None:
            accepted += 1
            assert ours == _as_h11_reads(stream), stream
    assert accepted > 1_000
