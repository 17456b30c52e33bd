"""Who is at the other end: the client's address, behind proxies too, and the one that its limits are counted under.

A header may be written by anybody, so `X-Forwarded-For` and `X-Forwarded-Proto` count only where the connection comes
from one of TRUSTED_PROXIES, and then only as far back as each hop is one of them. uvicorn has a middleware for this;
ours differs where that one is not exact: an IPv4 proxy on a dual-stack socket (`::ffff:10.0.0.1`) is the IPv4
address, an entry that is no address never becomes the client's, and it works under any ASGI server.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.http import HttpRequest

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# More proxies than anybody has in a row; a header of 64 KiB must not cost thousands of comparisons.
_MOST_HOPS = 16
_LONGEST = 64  # with port, brackets, zone and spaces; what is longer is no address, and not worth remembering


class ProxiedScopes:
    """Rewrites the ASGI scopes of connections that come from trusted proxies."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]
        self._is_trusted = lru_cache(maxsize=1024)(self._find)

    def rewrite(self, scope: dict[str, Any]) -> dict[str, Any]:
        """Return the scope with the client's address and scheme as the trusted proxies tell them."""
        if not self._networks or not scope.get("client") or not self._is_trusted(scope["client"][0]):
            return scope
        seen: dict[str, Any] = {"client": (self._client(scope), 0)}
        protocol = _values(scope, b"x-forwarded-proto").rpartition(",")[2].strip().lower()
        # The last value is the nearest proxy's own; what stands before it came from further out.
        if protocol in ("http", "https"):
            seen["scheme"] = protocol
        return {**scope, **seen}

    def trusts(self, host: str) -> bool:
        """Tell whether connections from this address are a trusted proxy's."""
        return bool(self._networks) and self._is_trusted(host)

    def _client(self, scope: dict[str, Any]) -> str:
        """Return the right-most address that is no trusted proxy: each trusted hop vouches for the one before it."""
        client: str = scope["client"][0]
        for entry in reversed(_values(scope, b"x-forwarded-for").rsplit(",", _MOST_HOPS)):
            address = _normal(entry) if len(entry) <= _LONGEST else None
            if address is None:
                break  # "unknown" or nonsense: whoever it was came through the proxy that wrote it
            client = address
            if not self._is_trusted(client):
                break
        return client

    def _find(self, host: str) -> bool:
        address = read(host)
        return address is not None and any(address in network for network in self._networks)


def read(text: str) -> Address | None:
    """Return the address in `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`; None if there is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])  # a zone (RFC 4007) means nothing to anybody else
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def _normal(text: str) -> str | None:
    address = read(text)
    return str(address) if address else None


@lru_cache(maxsize=4096)
def limited_as(host: str) -> str:
    """Return what an address is counted under: an IPv6 client owns a whole /64 and may use any address in it."""
    address = read(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address) if address else "unknown"  # no address at all: a unix socket, a test


def of(request: HttpRequest) -> str:
    """Return what the client of a request is counted under."""
    return limited_as(request.META.get("REMOTE_ADDR", ""))


def _values(scope: dict[str, Any], name: bytes) -> str:
    """Return the values of a header that may come several times, as one list (RFC 9110, section 5.3)."""
    return ",".join(value.decode("latin-1") for header, value in scope["headers"] if header == name)
