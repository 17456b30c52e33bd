"""What a token looks like: `todo_`, 40 random letters and digits, and a checksum of six.

The prefix and the checksum let secret scanners recognise a leaked token, and let us refuse a mistyped one without
asking the database. (GitHub's token format, 2021.)
"""

import hashlib
import re
import secrets
import string
import zlib

from todoproject.database.client.statement import Credentials

PREFIX = "todo_"
_ALPHABET = string.digits + string.ascii_letters
_SECRET_LENGTH = 40  # 238 bits
_CHECKSUM_LENGTH = 6  # a CRC-32 in base 62
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}")


def generate() -> str:
    """Make a new token."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return PREFIX + secret + _checksum(secret)


def digest(token: str) -> bytes:
    """Return what the database keeps of a token: its SHA-256. The token has 238 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).digest()


def parse(token: str) -> Credentials | None:
    """Return the credentials of a well-formed token, or None for anything that cannot be one of ours."""
    if _SHAPE.fullmatch(token) is None:
        return None
    secret = token[len(PREFIX) : -_CHECKSUM_LENGTH]
    return Credentials(digest(token)) if token.endswith(_checksum(secret)) else None


def _checksum(secret: str) -> str:
    number = zlib.crc32(secret.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
