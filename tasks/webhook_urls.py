"""Which addresses webhooks may go to: what a URL may look like, and which addresses of the network are public.

What a name means is known at a delivery only, and judged there, each time; here only what a URL itself says.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

Address = IPv4Address | IPv6Address

# Printable ASCII that a URL may hold (RFC 3986, section 2); no backslash, which some read as a slash.
_URL = re.compile(r"[!#-;=?-Z\[\]_a-z~]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?|\[[0-9a-f:.]+\]")
_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ip_network("2000::/3")  # all of IPv6 that is given out (IANA)
# Not for everybody, though `is_global` of some Python that we run on says so.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # assignments of the IETF
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # Teredo, and other assignments of the IETF
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


class UrlRefused(ValueError):
    """Nothing may be sent to this URL; the message says why, in a sentence."""


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public network. One of IPv4 within IPv6 is what is within."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    of_family = (network for network in _NOT_PUBLIC if network.version == address.version)
    return address.is_global and not address.is_multicast and not any(address in network for network in of_family)


def split(url: str) -> SplitResult:
    """Return the parts of a URL that a webhook may have. Raises UrlRefused."""
    if _URL.fullmatch(url) is None:
        raise UrlRefused("A URL has printable ASCII characters only: a host's name in its A-labels (xn--…).")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("This is not a URL.") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        raise UrlRefused("The URL begins with https://.")
    if parts.scheme == "http" and settings.PRODUCTION:
        raise UrlRefused("The URL begins with https://: what is sent is nobody else's to read.")
    if "@" in parts.netloc:
        raise UrlRefused("The URL holds no user name or password.")
    if "#" in url:
        raise UrlRefused("The URL holds no fragment (#).")
    if _HOST.fullmatch(parts.netloc.lower().removesuffix(f":{port}") if port else parts.netloc.lower()) is None:
        raise UrlRefused("The URL names no host.")
    if port == 0:
        raise UrlRefused("There is no port 0.")
    literal = as_address(host)
    if literal is not None and not is_public(literal) and not is_exempt(host):
        raise UrlRefused("The address is not one of the public network.")
    return parts


def is_exempt(host: str) -> bool:
    """Tell whether the operator lets webhooks go to this host, wherever it is."""
    return host.lower() in settings.WEBHOOK_PRIVATE_HOSTS


def as_address(host: str) -> Address | None:
    """Return the address that a host is written as, also in forms of old (127.1, 0x7f000001); None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
