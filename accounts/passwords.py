"""Password hashing: Argon2 with bounded memory, on a few threads of its own so that no request waits behind it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with the parameters that OWASP's Password Storage Cheat Sheet names first: 19 MiB, 2 passes, 1 lane.

    Django's own default takes 100 MiB and eight lanes for each login: a login storm would take the machine.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1


# Argon2 releases the interpreter lock; two at a time leave the event loop its processor.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# What an unknown e-mail is checked against, so that it takes as long as a known one.
_NOBODY = make_password("nobody's password", hasher=BoundedArgon2PasswordHasher())


async def hash_password(password: str) -> str:
    """Hash a new password off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads, make_password, password)


async def verify_password(password: str, encoded: str | None) -> bool:
    """Tell whether the password belongs to the hash; with None (no such account) take as long and say no."""
    correct = await asyncio.get_running_loop().run_in_executor(_threads, check_password, password, encoded or _NOBODY)
    return correct and encoded is not None


class PasswordRefused(Exception):
    """A password breaks a rule; `reasons` are sentences for the person."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def validate(password: str) -> None:
    """Hold a new password to the settings' rules. Raises PasswordRefused."""
    try:
        validate_password(password)
    except ValidationError as error:
        raise PasswordRefused(error.messages) from None
