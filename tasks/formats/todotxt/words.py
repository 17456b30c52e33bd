"""Words of a line: which mean something, and how one that shall not is written."""

import re
import unicodedata
from urllib.parse import unquote

from todoproject import text as characters

KEYS = frozenset({"due", "at", "t", "rec", "rrule", "occurs", "pri", "remind", "desc", "uuid", "parent", "external"})
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
PRIORITY = re.compile(r"\(([A-Z])\)")
WEEKDAYS = "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR"  # what `rec:1b` says
SPACE = re.compile(rf"(?:\0|{characters.BREAK})+")
_TO_ENCODE = re.compile(rf"[\s%]|{characters.BREAK}")


def means(word: str, *, is_first: bool) -> bool:
    """Tell whether a word of a title would be read as something else."""
    if is_first and (word == "x" or PRIORITY.fullmatch(word) or DATE.fullmatch(word)):
        return True
    key, colon, _ = word.partition(":")
    return (word[:1] in ("+", "@") and len(word) > 1) or (bool(colon) and key in KEYS)


def escaped(word: str, *, is_first: bool) -> str:
    return f"\\{word}" if means(word.lstrip("\\"), is_first=is_first) else word


def unescaped(word: str, *, is_first: bool) -> str:
    return word[1:] if word.startswith("\\") and means(word.lstrip("\\"), is_first=is_first) else word


def encoded(value: str) -> str:
    return _TO_ENCODE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def decoded(value: str) -> str:
    """Return what was encoded; what nobody can have encoded stays as it is."""
    try:
        found = unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value
    return value if "\0" in found else found


def folded(label: str) -> str:
    return unicodedata.normalize("NFKC", label).lower()
