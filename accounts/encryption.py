"""Encrypting what is stored (Fernet: AES-128 and HMAC-SHA256), under keys that the database does not hold.

`cryptography` is imported where it is used: it is 6 MiB that a worker need not carry before somebody needs it.
"""

import base64


def seal(key: bytes, content: bytes) -> bytes:
    """Encrypt and sign, under a key of 32 bytes."""
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(key)).encrypt(content)


def unseal(key: bytes, sealed: bytes) -> bytes | None:
    """Decrypt; None for what was sealed under another key, or is damaged."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(base64.urlsafe_b64encode(key)).decrypt(sealed)
    except InvalidToken:
        return None
