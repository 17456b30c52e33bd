"""Files of comma-separated values: their rows by the names of their columns, each with its line."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.formats.items import FileRefused

_DELIMITERS = ",;\t"
_MOST_PREAMBLE = 20  # rows before the one with the names


@dataclass(frozen=True, slots=True)
class Row:
    """A row, without the spaces around its cells; a column that the file does not have is empty."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "").strip()

    @property
    def is_empty(self) -> bool:
        return not any(cell.strip() for cell in self.cells.values())


def rows(text: str, needed: Sequence[str]) -> tuple[list[list[str]], Iterator[Row]]:
    """Return what stands before the row with the names of the columns, and the rows after it.

    `needed` are names by which that row is known. Raises FileRefused, also while the rows are read.
    """
    before: list[list[str]] = []
    lines = _read(text, _delimiter(text, needed))
    for _, cells in lines:
        names = [cell.strip().lower() for cell in cells]
        if {name.lower() for name in needed} <= {*names}:
            return before, _rows(lines, names, has_end=text.endswith(("\n", "\r")))
        before.append(cells)
        if len(before) == _MOST_PREAMBLE:
            break
    raise FileRefused("no-columns", f"The file has no row with the columns {' and '.join(needed)}.", 1)


def has_columns(text: str, needed: Sequence[str]) -> bool:
    """Tell whether one of the first rows has these columns."""
    try:
        rows(text[:4096], needed)
    except FileRefused:
        return False
    return True


def _delimiter(text: str, needed: Sequence[str]) -> str:
    """Return the one that stands most often in the line that names the columns."""
    wanted = [name.lower() for name in needed]
    head = next((line for line in text[:8192].splitlines() if all(name in line.lower() for name in wanted)), "")
    return max(_DELIMITERS, key=head.count)


def _rows(lines: Iterator[tuple[int, list[str]]], names: list[str], *, has_end: bool) -> Iterator[Row]:
    last: tuple[int, list[str]] | None = None
    for line, cells in lines:
        last = line, cells
        yield Row(line, dict(zip(names, cells, strict=False)))
    if last is not None and not has_end and 0 < len(last[1]) < len(names) and any(cell.strip() for cell in last[1]):
        raise FileRefused("cut-off", "The file ends in the middle of a row.", last[0])


def _read(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line that it begins on."""
    reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter, strict=True)
    begin = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise FileRefused("cut-off", "The row that begins here has a quote without an end.", begin) from None
            raise FileRefused("quotes", "A quote within a cell is written twice, and was not.", begin) from None
        yield begin, cells
        begin = reader.line_num + 1
