"""Hostile values: of members, bodies, media types, segments of paths, queries, parameters and headers.

What is in them is tried on every operation of the API's document (tests/product/test_hostile.py) and on everything
behind the doors (tests/doors/test_doors_hostile.py).
"""

from collections.abc import Collection, Iterator, Mapping

from todoproject.http.body import MAX_BYTES
from todoproject.openapi import examples

# --- Bodies ---------------------------------------------------------------------------------------

VALUES = [
    *(rb'"\u0000"', rb'"\ud800"', rb'"\udfff\ud800"', rb'"a\u0000b"', rb'"\u202e\u0007\ufeff"', rb'"\uffff\ufffe"'),
    *(b"9" * 5000, b"-" + b"9" * 5000, b"0." + b"1" * 5000, b"1e400", b"-1e400", b"1e-400", b"1E+2", b"-0", b"-0.0"),
    *(b"NaN", b"Infinity", b"-Infinity", b"2147483648", b"9223372036854775808", b"-1", b"0.1", b"1764547200", b"01"),
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"[null]",
        b"[{}]",
        b'[""]',
        b'{"": null}',
        b'{"a": {"a": {"a": 1}}}',
        b'""',
        b'" "',
    ),
    *(b'"' + b"x" * 100_000 + b'"', b"[" * 40 + b"]" * 40, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5000 + b"1"),
    *(b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59-23:59"', b'"9999-12-31T23:59:59Z"', b'"0001-01-01"'),
    *(b'"0000-00-00"', b'"2026-12-01T10:00:00"', b'"2026-12-01T10:00:00+99:99"', b'"+12026-01-01"', b'"infinity"'),
    *(b'"%s"', b'"%(title)s {} $1 \'; --"', b'"\xff"', '"🐄"'.encode("utf-16-le"), b'"\t"', b"'x'", b"undefined", b""),
]
BODIES = [
    *(
        b"",
        b" ",
        b"\0",
        b"{",
        b"}",
        b"null",
        b"[]",
        b'"x"',
        b"7",
        b"{} {}",
        b"{},",
        b"//\n{}",
        b"{'a': 1}",
        b"\xff\xfe",
    ),
    *(b'{"\\u0000": 1}', b'{"\\ud800": 1}', b'{"": 1}', b'{"__proto__": 1}', b'{"a~/b": 1}', b'{"a": 1, "a": 1}'),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 32 + b"]" * 32, b'{"' + b"k" * 100_000 + b'": 1}', b" " * MAX_BYTES),
    *(b"x" * (MAX_BYTES + 1), b"{" + b",".join(b'"k%d": 1' % n for n in range(10_000)) + b"}"),
]
MEDIA_TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", ""),
    *("application/", ";", "*/*", "application/xml", "application/json, application/json", "APPLICATION/JSON; q"),
    *("application/json; charset=utf-16", "application/json; charset=base64", "application/json; charset=undefined"),
    *("application/json; charset*=bogus''utf-8", "application/json; charset*=utf-8''%00", "x" * 10_000),
    *("application/json; charset*=undefined''a", 'application/json;charset="utf-8\\', "application/json; =; ;;a*0*=b"),
]

# --- URLs -----------------------------------------------------------------------------------------

SEGMENTS = [
    *(
        "%00",
        "%ff",
        "%ED%A0%80",
        "%EF%BF%BD",
        "%F0%9F%90%84",
        "%0a",
        "%0d%0aX:%20y",
        "%",
        "%zz",
        "%u0041",
        "%25",
        "%5C",
    ),
    *(
        "0",
        "-1",
        "null",
        "undefined",
        "*",
        "~",
        ".",
        "..",
        "%2e%2e",
        "%2e%2e%2fme",
        "a%2fb",
        ";x",
        "{task_id}",
        "%7B%7D",
    ),
    *(
        examples.ID.upper(),
        examples.ID.replace("-", ""),
        "%7B" + examples.ID + "%7D",
        examples.ID + "%0a",
        "urn:uuid:x",
    ),
    *(
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        examples.ID + "%20",
        "x" * 50_000,
    ),
    *(examples.ID + "%00", examples.ID + ";x", examples.ID[:-1], "' OR 1=1 --".replace(" ", "%20"), "%D9%A1" * 36),
]
TARGETS = [
    "/{}",
    "{}/",
    "{}//",
    "{};x",
    "{}%20",
    "{}%00",
    "{}%ff",
    "{}.json",
    "{}%0a",
    "{}/.",
    "{}/..",
    "{}%3f",
    "{}#x",
]
# Of the whole query, and of one parameter.
QUERIES = [
    *(
        "",
        "&&&",
        "=",
        "=1",
        "a",
        "a=%00",
        "%00=a",
        "a=%ff",
        "%ff=a",
        "a=%ED%A0%80",
        "%=%",
        "a[]=1",
        "a=1;b=2",
        "%2500=%2500",
    ),
    *(
        "&".join(["a=1"] * 10_000),
        "&" * 10_000,
        "a=" + "x" * 50_000,
        "x" * 50_000,
        "%F0%9F%90%84=%F0%9F%90%84",
        "+=+",
        "?",
    ),
]
ARGUMENTS = [
    *(
        "",
        "%00",
        "%ff",
        "%ED%A0%80",
        "%20",
        "null",
        "NaN",
        "1e400",
        "-1",
        "-0",
        "0",
        "1.5",
        "9" * 5000,
        "2147483648",
        "%D9%A1",
    ),
    *(
        "9223372036854775808",
        "true",
        "TRUE",
        "yes",
        "%5B%5D",
        "%7B%7D",
        "0001-01-01",
        "9999-12-31",
        "infinity",
        "%27%22",
    ),
    *("0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59", "2026-12-01T10:00:00", "2026-12-01T10:00:00Z", "1_0"),
    *(
        "*",
        "%25",
        "%28%28%28",
        "a:*%26!%7C",
        "%5C",
        "x" * 5000,
        "a%20" * 1000,
        "%F0%9F%90%84",
        "1764547200",
        "--x",
        "-",
    ),
]

# --- Headers --------------------------------------------------------------------------------------

NAMES = [
    *(
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Cookie",
        "Host",
        "Origin",
        "Referer",
        "User-Agent",
    ),
    *(
        "Content-Type",
        "Content-Encoding",
        "Content-Language",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Range",
    ),
    *(
        "If-Unmodified-Since",
        "Range",
        "X-Request-ID",
        "Idempotency-Key",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "Forwarded",
    ),
    *("X-Forwarded-Host", "X-HTTP-Method-Override", "X-HTTP-Method", "Access-Control-Request-Method", "Prefer", "Date"),
    *(
        "Access-Control-Request-Headers",
        "Expect",
        "Upgrade",
        "TE",
        "Via",
        "traceparent",
        "X-Original-URL",
        "Authorization",
    ),
]
HEADER_VALUES = [
    *(
        b"",
        b"\xff\xfe",
        b"x" * 65_536,
        b"\t \t",
        b"\x80",
        b";;;,,,===",
        b'"',
        b'"1',
        b"W/",
        b"*",
        b"%00",
        b"%ff",
        b"DELETE",
    ),
    *(
        b"null",
        b"-1",
        b"9" * 400,
        b"1e400",
        b"=?utf-8?B?AA==?=",
        b"\xc3\xbc",
        b"a*=bogus''x",
        b"Bearer",
        b"Bearer \xff",
        b"::1",
    ),
    *(
        b"bytes=-1-",
        b"[",
        b"127.0.0.1, \xff, [",
        b"Thu, 99 Foo 9999999 99:99:99 GMT",
        b"application/json; charset*=x''y",
    ),
]


# --- What to send ---------------------------------------------------------------------------------


def odd_targets(template: str, ids: Mapping[str, str], query: Collection[str]) -> Iterator[str]:
    """Yield hostile URLs of a path template: in place of each of its ids, around it, and in its parameters."""
    path = template.format(**ids)
    for name in ids:
        yield from (template.format(**{**ids, name: segment}) for segment in SEGMENTS)
    yield from (pattern.format(path) for pattern in TARGETS)
    yield from (path.replace("/v1", "/v1/."), path.replace("/", "//"), path.upper(), path.replace("/", "%2f"))
    yield path[:4] + f"%{ord(path[4]):x}" + path[5:] if len(path) > 4 else path
    yield from (f"{path}?{text}" for text in QUERIES)
    for name in query:
        yield from (f"{path}?{name}={argument}" for argument in ARGUMENTS)
        yield f"{path}?{name}=1&{name}=1"


def odd_headers(name: str, declared: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield every value for the headers that an operation declares, and a few, not always the same, for others."""
    for at, header in enumerate(NAMES):
        some = [HEADER_VALUES[(at + len(name) + step * 7) % len(HEADER_VALUES)] for step in range(3)]
        yield from ((header, value) for value in (HEADER_VALUES if header in declared else some))


def with_member(members: Mapping[str, bytes], name: str, value: bytes) -> bytes:
    """Return an object of members, as they are sent, with a hostile value in place of one, or added to them."""
    sent = {**members, name: value}
    return b"{" + b", ".join(b'"%b": %b' % (key.encode(), each) for key, each in sent.items()) + b"}"
