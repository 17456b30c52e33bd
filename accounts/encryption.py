"""Encrypting what is stored (Fernet: AES-128 and HMAC-SHA256), under keys that the database does not hold.

`cryptography` is imported where it is used: it is 6 MiB that a worker need not carry before somebody needs it.
"""

import base64
from collections.abc import Iterable

from django.conf import settings


def secret_keys() -> list[str]:
    """Return SECRET_KEY, under which everything is encrypted, and those of before, which may still have to open it."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def seal(key: bytes, content: bytes) -> bytes:
    """Encrypt and sign, under a key of 32 bytes."""
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(key)).encrypt(content)


def unseal(keys: Iterable[bytes], sealed: bytes) -> bytes | None:
    """Decrypt under the first of these keys that fits; None for what was sealed under another one, or is damaged."""
    from cryptography.fernet import Fernet, InvalidToken

    for key in keys:
        try:
            return Fernet(base64.urlsafe_b64encode(key)).decrypt(sealed)
        except InvalidToken:
            continue
    return None
