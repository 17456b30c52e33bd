"""The second factor of staff: codes from an authenticator app (TOTP, RFC 6238) and recovery codes on paper.

The app's secret is stored encrypted under SECRET_KEY, recovery codes as digests keyed with that secret: a copy of the
database opens nothing, and `reencrypt` brings both under another SECRET_KEY. A code counts once (RFC 6238, section
5.2), also where two processes are shown it at the same moment.
"""

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Case, F, Func, Q, Value, When
from django.utils.crypto import salted_hmac

from accounts import encryption
from accounts.models import SecondFactor, User

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.twofactor.totp import TOTP  # imported where it is used: see seals

STEP_SECONDS = 30
# A code of the step before and of the one after count, too: clocks differ, and people type (RFC 6238, section 5.2).
_STEPS_AROUND = (0, -1, 1)
RECOVERY_CODES = 10
MOST_FAILURES = 10  # in a row; at ten in a quarter of an hour for ever, six digits are found within months
# Without letters that are taken for digits; 32 to the power of ten is 50 bits.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def new_secret() -> bytes:
    """Return a secret for an app: 160 bits (RFC 4226, section 4)."""
    return secrets.token_bytes(20)


def uri(secret: bytes, email: str) -> str:
    """Return what the QR code says to an app."""
    return _totp(secret).get_provisioning_uri(email, str(settings.UNFOLD["SITE_TITLE"]))


def spelled(secret: bytes) -> str:
    """Return the secret as people type it, in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def code_at(secret: bytes, moment: int) -> str:
    """Return what an app shows at a moment, in seconds of the Unix epoch."""
    return _totp(secret).generate(moment).decode()


def matching_step(secret: bytes, code: str) -> int | None:
    """Return the time step that a code belongs to, if it is of now or nearly now."""
    step_now = int(time.time()) // STEP_SECONDS
    for step in (step_now + around for around in _STEPS_AROUND):
        if secrets.compare_digest(code_at(secret, step * STEP_SECONDS).encode(), code.encode()):
            return step
    return None


def seal(secret: bytes) -> str:
    """Encrypt a secret, to store it."""
    return encryption.seal(_cipher_keys()[0], secret).decode()


def unseal(sealed: str) -> bytes | None:
    """Decrypt a secret; None where it was encrypted under a key that SECRET_KEY_FALLBACKS does not hold either."""
    return encryption.unseal(_cipher_keys(), sealed.encode())


def is_readable(user: User) -> bool:
    """Tell whether somebody's second factor can be compared with anything."""
    factor = SecondFactor.objects.filter(user=user).first()
    return factor is None or unseal(bytes(factor.secret).decode()) is not None


def reencrypt(factor: SecondFactor) -> str:
    """Bring a second factor under SECRET_KEY; return "anew", "already" or "unreadable"."""
    sealed = bytes(factor.secret)
    if encryption.unseal(_cipher_keys()[:1], sealed) is not None:
        return "already"
    secret = unseal(sealed.decode())
    if secret is None:
        return "unreadable"
    # One that is reset and set up at this moment is left alone: it is under the new key.
    SecondFactor.objects.filter(pk=factor.pk, secret=sealed).update(secret=seal(secret).encode())
    return "anew"


def set_up(user: User, secret: bytes, step: int) -> Sequence[str] | None:
    """Store a second factor whose first code has been shown; return its recovery codes, which nobody sees again.

    None where the account has one already, be it since a moment ago.
    """
    codes = _new_codes()
    values = {
        "secret": seal(secret).encode(),
        "last_step": step,
        "recovery_codes": [_digest(secret, code) for code in codes],
    }
    _, is_new = SecondFactor.objects.get_or_create(user=user, defaults=values)
    return _spaced(codes) if is_new else None


def renew_codes(user: User) -> Sequence[str] | None:
    """Replace all recovery codes; return the new ones. None where there is no second factor, or it is unreadable."""
    factor = SecondFactor.objects.select_for_update().filter(user=user).first()
    secret = unseal(bytes(factor.secret).decode()) if factor else None
    if factor is None or secret is None:
        return None
    codes = _new_codes()
    factor.recovery_codes = [_digest(secret, code) for code in codes]
    factor.save(update_fields=["recovery_codes"])
    return _spaced(codes)


def _new_codes() -> list[str]:
    return ["".join(secrets.choice(_ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]


def _spaced(codes: Sequence[str]) -> list[str]:
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def count_try(user: User) -> int | None:
    """Count a try before the code is looked at; return how many since the last right one, None where it is locked.

    Whoever is asked for a code knows the password, so the lock shuts out nobody by hearsay. It goes with the password.
    """
    binding = _tried_with(user)
    counted = Case(When(tried_with=binding, then=F("failures") + 1), default=1)
    open_to_tries = SecondFactor.objects.filter(Q(failures__lt=MOST_FAILURES) | ~Q(tried_with=binding), user=user)
    if not open_to_tries.update(failures=counted, tried_with=binding):
        return None
    return SecondFactor.objects.values_list("failures", flat=True).filter(user=user).first()


def unlock(user: User) -> None:
    """Forget the tries."""
    SecondFactor.objects.filter(user=user).update(failures=0)


def _tried_with(user: User) -> str:
    return salted_hmac("accounts.second_factor.tries", user.password, algorithm="sha256").hexdigest()[:24]


def accept(user: User, code: str) -> str | None:
    """Use up a code; return its kind, "app" or "recovery", or None where it is wrong or was used before."""
    factor = SecondFactor.objects.filter(user=user).first()
    if factor is None:
        return None
    code = "".join(code.split()).replace("-", "").upper()
    secret = unseal(bytes(factor.secret).decode())
    if _accept_step(factor, secret, code):
        return "app"
    return "recovery" if _accept_recovery(factor, secret, code) else None


def _accept_step(factor: SecondFactor, secret: bytes | None, code: str) -> bool:
    step = matching_step(secret, code) if secret else None
    if step is None:
        return False
    return SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step).update(last_step=step) == 1


def _accept_recovery(factor: SecondFactor, secret: bytes | None, code: str) -> bool:
    for digest in _digests(factor.user_id, secret, code):
        held = SecondFactor.objects.filter(pk=factor.pk, recovery_codes__contains=[digest])
        if held.update(recovery_codes=Func(F("recovery_codes"), Value(digest), function="array_remove")):
            return True
    return False


def _digest(secret: bytes, code: str) -> bytes:
    """Return what is kept of a recovery code: 50 bits are soon tried, so nobody can try them without the secret."""
    return hmac.digest(secret, b"accounts.second_factor.recovery " + code.encode(), "sha256")


def _digests(user_id: uuid.UUID, secret: bytes | None, code: str) -> Iterator[bytes]:
    """Return what a code may be kept as: whoever has codes from before on paper may still use them."""
    if secret is not None:
        yield _digest(secret, code)
    for key in encryption.secret_keys():
        salt = "accounts.second_factor.recovery"
        yield salted_hmac(salt, f"{user_id} {code}", secret=key, algorithm="sha256").digest()
    yield hashlib.sha256(code.encode()).digest()


def _totp(secret: bytes) -> "TOTP":
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    # SHA-1, because that is what apps know; HMAC does not lean on what SHA-1 has lost (RFC 6238, section 1.2).
    return TOTP(secret, 6, SHA1(), STEP_SECONDS)  # noqa: S303 -- see above


def _cipher_keys() -> list[bytes]:
    keys = encryption.secret_keys()
    return [salted_hmac("accounts.second_factor", "", secret=key, algorithm="sha256").digest() for key in keys]
