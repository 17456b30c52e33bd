"""Reading variables: from the environment, and from a file `.env`, which never overrides it.

A missing, malformed or misspelt value is a line that names the variable, what was wrong and an example. All such lines
come at once, as one `ImproperlyConfigured`; `manage.py` and `asgi.py` print them and end with exit code 1.
"""

import difflib
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

_REQUIRED: Any = object()
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
# What somebody has pasted and not filled in: <at least 32 random characters>, $(python3 -c …), generate-me.
_UNFILLED = re.compile(r"<.*>|.*generate-me.*|[\"']?(\$\(|`|python3? -c).*", re.DOTALL)


class Environment:
    """The variables that the settings ask for, one after the other, and the mistakes in them.

    `given` is the environment as it was before .env was added: what a new worker is started with, so that a reload
    reads .env anew. `examples` has every name that was asked for, in that order; a test holds .env.example to it.
    """

    def __init__(self) -> None:
        self.given = dict(os.environ)
        self.examples: dict[str, str] = {}
        self._line_numbers: dict[str, int] = {}  # the names in the .env file, and where they are
        self._mistakes: dict[str, str] = {}  # the first one of each name

    def __call__(
        self, name: str, parse: Callable[[str], T], *, example: str, default: Any = _REQUIRED, stand_in: Any = None
    ) -> T:
        """Return a setting. After a mistake in it, the default, or what else the other settings can be read with."""
        self.examples[name] = example
        otherwise = stand_in if default is _REQUIRED else default
        text = os.environ.get(name, "").strip()
        if not text:
            if default is _REQUIRED:
                near = difflib.get_close_matches(name, self._line_numbers.keys() - {name}, n=1, cutoff=0.8)
                self.refuse(name, f"is missing (is it the misspelt {near[0]}?)" if near else "is missing")
            return otherwise  # type: ignore[no-any-return]  # the default is the caller's, of the caller's type
        try:
            if _UNFILLED.fullmatch(text):
                raise ValueError("is a placeholder, or a command that nothing runs here: put a value of your own there")
            return parse(text)
        except ValueError as error:
            self.refuse(name, str(error))
            return otherwise  # type: ignore[no-any-return]

    def refuse(self, name: str, problem: str) -> None:
        """Note a mistake, unless what it says of another setting rests on a value that is a mistake itself."""
        if not self._mistakes.keys() & set(re.findall(r"[A-Z_]{4,}", f"{name} {problem}")):
            self._mistakes[name] = f"{name} {problem}. Example: {name}={self.examples[name]}"

    def stop_on_mistakes(self) -> None:
        """Raise ImproperlyConfigured with every mistake so far, if there is one."""
        if self._mistakes:
            raise ImproperlyConfigured("\ntodoproject: ".join(self._mistakes.values()))

    def read_file(self, path: Path) -> None:
        """Put what the .env file says into the environment, where that says nothing. Raises ImproperlyConfigured."""
        lines = []
        for number, line in enumerate(_text_of(path).splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                self._mistakes[f"line {number}"] = f"{path.name} line {number} is not NAME=value. Example: PORT=8000"
                continue
            name = match[1]
            if name in self._line_numbers:
                where = f"{path.name} lines {self._line_numbers[name]} and {number}"
                self._mistakes[name] = f"{name} stands twice ({where}): leave one. Example: {name}=value"
            self._line_numbers[name] = number
            lines.append(f"{name}={match[2]}")  # django-environ skips a line with other spaces, without a word
        environ.Env.read_env(io.StringIO("\n".join(lines)))

    def refuse_misspelt_names(self, path: Path) -> None:
        """Note each line of the .env file whose name is nearly one of ours, unless that one is missing and says so."""
        told = " ".join(self._mistakes.values())
        for name, number in self._line_numbers.items():
            near = difflib.get_close_matches(name.upper(), self.examples, n=1, cutoff=0.8)
            # OpenTelemetry reads many more that begin so, and some differ in one word only.
            if near and name not in self.examples and not name.startswith("OTEL_") and name not in told:
                example = f"{near[0]}={self.examples[near[0]]}"
                where = f"{path.name} line {number}"
                self._mistakes[name] = f"{name} ({where}) is no setting: did you mean {near[0]}? Example: {example}"


def _text_of(path: Path) -> str:
    try:
        text = path.read_text("utf-8-sig")  # some editors put a mark in front, which would join the first name
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        text = "\0"
    if "\0" in text:
        raise ImproperlyConfigured(f"{path} holds a line that is not UTF-8 text, or cannot be read. Example: PORT=8000")
    return text
