"""Secrets of webhooks: made, stored encrypted under SECRET_KEY, and signed with (Standard Webhooks 1.0)."""

import base64
import hmac
import secrets
from collections.abc import Iterable, Iterator
from functools import lru_cache
from uuid import UUID, uuid5

from accounts import encryption

_PREFIX = "whsec_"
_BYTES = 32  # 24 to 64 (Standard Webhooks, "Signature scheme")


def generate() -> bytes:
    """Make a new secret."""
    return secrets.token_bytes(_BYTES)


def shown(secret: bytes) -> str:
    """Return a secret as its owner is given it, and libraries take it."""
    return _PREFIX + base64.b64encode(secret).decode()


def seal(secret: bytes) -> bytes:
    """Encrypt a secret, to store it."""
    return encryption.seal(next(_cipher_keys()), secret)


def unseal(sealed: bytes) -> bytes | None:
    """Decrypt a secret; None where it was encrypted under a key that SECRET_KEY_FALLBACKS does not hold either."""
    return _unsealed(sealed, tuple(_cipher_keys()))


# Decrypting costs a sixth of a delivery, and a hook's secret is the same at each.
@lru_cache(maxsize=1024)
def _unsealed(sealed: bytes, keys: tuple[bytes, ...]) -> bytes | None:
    return encryption.unseal(keys, sealed)


def is_current(sealed: bytes) -> bool:
    """Tell whether a secret is encrypted under SECRET_KEY itself."""
    return encryption.unseal([next(_cipher_keys())], sealed) is not None


def message_id(hook: UUID, event: object) -> str:
    """Return what an event is called at a hook: the same at each try, so that a receiver takes it once."""
    return str(uuid5(hook, str(event)))


def signature(keys: Iterable[bytes], message: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one for each key, so that receivers may hold either."""
    signed = b"%b.%d.%b" % (message.encode(), timestamp, body)
    digests = (hmac.digest(key, signed, "sha256") for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _cipher_keys() -> Iterator[bytes]:
    return map(_cipher_key, encryption.secret_keys())


@lru_cache(maxsize=16)
def _cipher_key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"webhook", "sha256")
