"""Password hashing: Argon2 with bounded memory, on a few threads of its own so that no request waits behind it."""

import asyncio
import os
import sys
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import DEFAULT_HASH_LENGTH
from argon2.low_level import ARGON2_VERSION
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts import addresses
from accounts.models import User

T = TypeVar("T")

# Two are hashed at a time (2 × 19 MiB), whoever else waits costs a few KiB: so time is the bound, not memory. At some
# 20 ms each, the last of so many waits for about five seconds; on a busy machine, no longer than the next says.
MAX_WAITING = 512
LONGEST_WAIT_SECONDS = 25  # most proxies and clients give up after 30


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with the parameters that OWASP's Password Storage Cheat Sheet names first: 19 MiB, 2 passes, 1 lane.

    Django's own default takes 100 MiB and eight lanes for each login: a login storm would take the machine.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1


class TooManyLogins(Exception):
    """More passwords wait to be hashed than this process gets through in good time."""


class PasswordRefused(Exception):
    """A password breaks a rule; `reasons` are sentences for the person, `member` is where the password stood."""

    def __init__(self, reasons: list[str], member: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.member = member


def _yield_to_others() -> None:
    """Let this thread have what processor time nobody else wants: a login can wait, the event loop cannot."""
    if sys.platform == "linux":  # elsewhere niceness belongs to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


# Argon2 releases the interpreter lock, so two run beside the event loop.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2", initializer=_yield_to_others)


def _of_nobody() -> str:
    """Return a hash that no password has, and that costs what any other does: a real one would hold up each start."""
    like = BoundedArgon2PasswordHasher()
    head = f"{like.algorithm}$argon2id$v={ARGON2_VERSION}"
    costs = f"m={like.memory_cost},t={like.time_cost},p={like.parallelism}"
    made_up = [b64encode(part).decode().rstrip("=") for part in (like.salt().encode(), os.urandom(DEFAULT_HASH_LENGTH))]
    return "$".join((head, costs, *made_up))


# What an unknown e-mail is checked against, so that it takes as long as a known one.
_NOBODY = _of_nobody()
_waiting = 0


async def _off_the_loop(work: Callable[..., T], *arguments: object) -> T:
    """Do it when those who came before are done. Raises TooManyLogins where its turn does not come in time."""
    global _waiting  # noqa: PLW0603 -- one event loop a process, and the threads are the process's, too
    if _waiting >= MAX_WAITING:
        raise TooManyLogins
    _waiting += 1
    turn = _threads.submit(work, *arguments)
    done = asyncio.wrap_future(turn)
    try:
        await asyncio.wait([done], timeout=LONGEST_WAIT_SECONDS)
        if turn.cancel():  # it had not begun
            raise TooManyLogins
        return await done
    finally:
        turn.cancel()  # nobody listens any more
        _waiting -= 1


async def hash_password(password: str) -> str:
    """Hash a new password off the event loop. Raises TooManyLogins."""
    return await _off_the_loop(make_password, password)


async def verify_password(password: str, encoded: str | None) -> bool:
    """Tell whether the password belongs to the hash; with None (no such account) take as long and say no.

    Raises TooManyLogins.
    """
    correct = await _off_the_loop(check_password, password, encoded or _NOBODY)
    return correct and encoded is not None


def validate(password: str, member: str = "password", *, email: str = "") -> None:
    """Hold a new password to the settings' rules, and to its owner's address where that is known already.

    Raises PasswordRefused, with the member of the body it stood in.
    """
    try:
        validate_password(password, User(email=email))
    except ValidationError as error:
        raise PasswordRefused(error.messages, member) from None


def refuse_email(password: str, email: str, member: str) -> None:
    """Refuse an address that is its account's password. Raises PasswordRefused."""
    try:
        NotTheEmailValidator().validate(password, User(email=email))
    except ValidationError as error:
        raise PasswordRefused(error.messages, member) from None


class NotTheEmailValidator:
    """Refuse a password that is the person's e-mail, or what stands before its @: it is the first to be tried."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError; of nobody known there is nothing to compare."""
        email: str = getattr(user, "email", "")
        forms = {form.casefold() for form in (email, addresses.mailbox(email)) if form}
        tried = unicodedata.normalize("NFKC", password).strip().casefold()
        if tried in forms | {form.rpartition("@")[0] for form in forms}:
            raise ValidationError("The password must not be the e-mail, or its part before the @.", code="email")

    def get_help_text(self) -> str:
        """Say so beforehand, on the pages that ask for a new password."""
        return "Your password can’t be your e-mail, or its part before the @."
