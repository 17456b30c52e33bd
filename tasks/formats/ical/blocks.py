"""From the bytes of a calendar to the lines of each of its components, with the line that it begins on."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.formats import encoding
from tasks.formats.items import FileRefused, Notice

_ENDS = re.compile(rb"\r\n|\n|\r")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(slots=True)
class Block:
    """A component that stands right in a calendar: its name, its lines from BEGIN to END, and where they begin."""

    name: str
    line: int
    lines: list[str] = field(default_factory=list)
    calendar: str = ""  # what its calendar is called

    @property
    def text(self) -> str:
        return "\r\n".join([*self.lines, ""])


def blocks(content: bytes) -> tuple[list[Block], list[Notice]]:
    """Return the components of all calendars of a file, in order. Raises FileRefused."""
    numbers, text, told = _unfolded(content)
    return [*_blocks(zip(numbers, text.split("\n"), strict=False))], told


def _unfolded(content: bytes) -> tuple[list[int], str, list[Notice]]:
    """Join what was folded, as bytes: a fold may cut a character in two. Return also the number of each line."""
    if content.startswith(_UTF_16):
        content = encoding.text(content)[0].encode()
    lines: list[bytearray] = []
    numbers: list[int] = []
    for number, line in enumerate(_ENDS.split(content.removeprefix(codecs.BOM_UTF8)), 1):
        if line[:1] in (b" ", b"\t") and lines:
            lines[-1] += line[1:]
        else:
            lines.append(bytearray(line))
            numbers.append(number)
    text, told = encoding.text(b"\n".join(lines))
    return numbers, text, told


def _blocks(lines: Iterator[tuple[int, str]]) -> Iterator[Block]:
    open_: list[str] = []
    block: Block | None = None
    calendar, number = "", 1
    for number, line in lines:
        word, _, name = line.strip().partition(":")
        word, name = word.upper(), name.strip().upper()
        if word == "BEGIN":
            if not open_ and name != "VCALENDAR":
                raise FileRefused("no-calendar", "A calendar begins with BEGIN:VCALENDAR.", number)
            open_.append(name)
            if len(open_) == 2:
                block = Block(name, number, calendar=calendar)
        elif not open_:
            if line.strip():
                raise FileRefused("no-calendar", "A calendar begins with BEGIN:VCALENDAR.", number)
            continue
        if block is not None:
            block.lines.append(line)
        elif word.partition(";")[0] == "X-WR-CALNAME":
            calendar = re.sub(r"\\(.)", r"\1", line.partition(":")[2])
        if word == "END":
            if name != open_.pop():
                raise FileRefused("cut-off", f"END:{name} ends what has not begun.", number)
            if len(open_) == 1 and block is not None:
                yield block
                block = None
            calendar = calendar if open_ else ""
    if open_:
        raise FileRefused("cut-off", f"The file ends before END:{open_[-1]}.", number)
