"""One SQL command as it is sent: placeholders by number, and the parameters' names in that order."""

import hashlib
import re
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command with the placeholders `$1`, `$2`, … for the parameters `names`.

    `name` is what the server keeps it under. It is made from the text, so that no two commands can share one, whoever
    else uses the same server connection through a pooler. `is_kept` says that keeping it is worth while.
    """

    text: bytes
    names: tuple[str, ...]
    name: bytes
    is_kept: bool

    @classmethod
    def parse(cls, text: str, *, is_kept: bool = True) -> "Command":
        """Read a command with psycopg's placeholders, `%(name)s`; `%%` is a percent sign."""
        numbers: dict[str, int] = {}

        def numbered(match: re.Match[str]) -> str:
            name = match[1]
            return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

        sent = _PLACEHOLDER.sub(numbered, text).encode()
        return cls(sent, tuple(numbers), _name(sent), is_kept)

    def extended(self, text: str) -> "Command":
        """Return the command with more text, without parameters, at its end."""
        sent = self.text + text.encode()
        return Command(sent, self.names, _name(sent), self.is_kept)


def _name(text: bytes) -> bytes:
    return b"todo_" + hashlib.sha256(text).hexdigest()[:32].encode()
