"""E-mail addresses: which ones an account may have, and when two of them are one mailbox.

One rule: the part before the @ is ASCII (RFC 5321), for whoever accepts other letters there needs mail servers that do
(RFC 6531). The domain may be international (RFC 5890): it is shown as typed, and compared and mailed to as its A-labels
(`xn--…`). What browsers and mail programs map away (UTS 46) is no difference: case, full width, soft hyphens, composed
or decomposed letters. An address of plain ASCII is compared in lower case, as it always was.
"""

import re
import unicodedata

from django.conf import settings
from django.core.exceptions import ValidationError

_LONGEST, _LONGEST_LOCAL, _LONGEST_LABEL = 254, 64, 63  # RFC 5321, 4.5.3.1; RFC 1035, 2.3.4
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)  # dot-atom
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_PREFIX = "xn--"
# Without a width or a meaning of their own in a domain; the joiners (U+200C, U+200D) are not among them.
_IGNORED = re.compile("[\u00ad\u034f\u180b-\u180d\u200b\u2060\ufe00-\ufe0f\ufeff]")
_LETTERS = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})  # as mapped: no capitals; no emoji, no symbols (RFC 5892)


def validate(email: str) -> None:
    """Raise ValidationError unless a new account may have this address."""
    local, _, domain = email.rpartition("@")
    try:
        compared = _a_labels(domain)
    except ValueError:
        compared = ""
    fits = len(local) <= _LONGEST_LOCAL and len(f"{local}@{compared}") <= _LONGEST
    if not fits or _LOCAL.fullmatch(local) is None or not _is_public(compared):
        raise ValidationError("This is not an e-mail address.", code="email")


def mailbox(email: str) -> str:
    """Return the one form in which an address is compared; of one that is none of ours, the address in lower case."""
    local, _, domain = email.rpartition("@")
    try:
        return f"{local.lower() if local.isascii() else local}@{_a_labels(domain)}"
    except ValueError:
        return email.lower() if email.isascii() else email


def stored_mailbox(email: str) -> str:
    """Return what is stored beside an address: its mailbox, or nothing where lower case says it all."""
    return "" if email.isascii() else mailbox(email)


def deliverable(email: str) -> str:
    """Return an address as mail servers know it. Django's own way reads ß as ss, which is another domain."""
    local, _, domain = email.rpartition("@")
    try:
        return email if domain.isascii() else f"{local}@{_a_labels(domain)}"
    except ValueError:
        return email


def _is_public(domain: str) -> bool:
    if domain == "localhost":
        return bool(settings.DEBUG)
    head, _, top = domain.rpartition(".")
    return bool(head) and not top.isdigit()


def _a_labels(domain: str) -> str:
    """Return a domain in lower case with its A-labels (RFC 5891). Raises ValueError where it is none."""
    return ".".join(_a_label(label) for label in _mapped(domain).split("."))


def _mapped(text: str) -> str:
    """Map what does not count (UTS 46, but ß and ς stay, as in IDNA 2008)."""
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKC", _IGNORED.sub("", text))
    lower = "".join(character.lower() for character in composed)  # one by one: a sigma's form depends on its place
    return unicodedata.normalize("NFKC", lower).replace("\u3002", ".")


def _a_label(label: str) -> str:
    if label.startswith(_PREFIX):
        _refuse_false_a_label(label)
    elif not label.isascii():
        _refuse_symbols(label)
        label = _PREFIX + label.encode("punycode").decode("ascii")
    if len(label) > _LONGEST_LABEL or _LABEL.fullmatch(label) is None:
        raise ValueError(label)
    return label


def _refuse_false_a_label(label: str) -> None:
    """Refuse an A-label that no domain has: else one domain would have several (RFC 5891, section 4.2)."""
    letters = label.removeprefix(_PREFIX).encode("ascii").decode("punycode")
    if letters.isascii() or _mapped(letters) != letters:
        raise ValueError(label)
    _refuse_symbols(letters)
    if _PREFIX + letters.encode("punycode").decode("ascii") != label:
        raise ValueError(label)


def _refuse_symbols(label: str) -> None:
    categories = [unicodedata.category(character) for character in label if character not in "-·・"]
    is_framed = label[:1] == "-" or label[-1:] == "-" or label[2:4] == "--"
    if is_framed or not categories or not _LETTERS.issuperset(categories) or unicodedata.category(label[0])[0] == "M":
        raise ValueError(label)
