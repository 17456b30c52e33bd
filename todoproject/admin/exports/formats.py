"""CSV, JSON and XLSX, each written row by row: `start`, any number of `rows`, `end`."""

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from todoproject.admin.exports.cells import plain, text
from todoproject.admin.exports.xlsx import XlsxFile

Rows = Sequence[Sequence[Any]]


class File(Protocol):
    """A file that comes into being piece by piece."""

    content_type: str

    def __init__(self, title: str, columns: Sequence[str]) -> None: ...

    def start(self) -> bytes: ...

    def rows(self, rows: Rows) -> bytes: ...

    def end(self) -> bytes: ...


class CsvFile:
    """Comma-separated values (RFC 4180) in UTF-8, with a line of headers.

    The byte order mark is for Excel, which takes a file without one for the code page of its country.
    """

    content_type = "text/csv; charset=utf-8"

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self._columns = columns

    def start(self) -> bytes:
        return BOM_UTF8 + self.rows([self._columns])

    def rows(self, rows: Rows) -> bytes:
        lines = io.StringIO(newline="")
        csv.writer(lines).writerows([text(value) for value in row] for row in rows)
        return lines.getvalue().encode()

    def end(self) -> bytes:
        return b""


class JsonFile:
    """One array of objects, one object a line."""

    content_type = "application/json"

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self._columns = columns
        self._separator = b"[\n"

    def start(self) -> bytes:
        return b""

    def rows(self, rows: Rows) -> bytes:
        pieces = []
        for row in rows:
            values = dict(zip(self._columns, map(plain, row), strict=True))
            pieces += [self._separator, orjson.dumps(values)]
            self._separator = b",\n"
        return b"".join(pieces)

    def end(self) -> bytes:
        return b"[]\n" if self._separator == b"[\n" else b"\n]\n"


FORMATS: dict[str, type[File]] = {"csv": CsvFile, "json": JsonFile, "xlsx": XlsxFile}
