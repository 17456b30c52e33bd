"""Office Open XML (ECMA-376), written as a stream. Its libraries keep a sheet until its end, on disk or in memory.

Text is written as text, so no cell is ever a formula. A sheet has room for 1,048,576 rows; what goes beyond is on a
second sheet, and so on.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import IO, Any
from xml.sax.saxutils import escape

from todoproject.admin.exports.cells import line, plain

MOST_ROWS = 1_048_576
# zipfile decides on Zip64 before it knows the size, and refuses a member beyond 2 GiB without it; some readers refuse
# it with. So a sheet ends before.
MOST_SHEET_BYTES = 1_800_000_000
_EPOCH = date(1899, 12, 30)  # day 0, for every date after February 1900
_FIRST_DAY = date(1900, 3, 1)  # 1900 was no leap year, but is one there
# XML 1.0 has no way to write these; Excel's own is _x0007_, and a literal _x0007_ must then be escaped, too.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_DAY, _INSTANT, _HEADER = 1, 2, 3  # the places of their styles below

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>\
<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts><fonts count="2"><font><sz val="11"/>\
<name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill>\
<patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1">\
<border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>\
<xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/>\
<xf fontId="1" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/>\
</cellStyles></styleSheet>"""


class _Drain(io.RawIOBase):
    """Where the archive is written to, and taken from: it cannot go back, so the archive is written in one go."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class XlsxFile:
    """A workbook for spreadsheets."""

    content_type = f"{_TYPE}.sheet"

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self._title = title
        self._columns = columns
        self._drain = _Drain()
        self._archive = zipfile.ZipFile(self._drain, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
        self._sheets = 0
        self._sheet: IO[bytes] | None = None
        self._rows_left = self._bytes_left = 0

    def start(self) -> bytes:
        self._begin_sheet()
        return self._drain.take()

    def rows(self, rows: Sequence[Sequence[Any]]) -> bytes:
        for row in rows:
            if self._rows_left <= 0 or self._bytes_left <= 0:
                self._begin_sheet()
            self._write("".join(["<row>", *map(_cell, row), "</row>"]))
            self._rows_left -= 1
        return self._drain.take()

    def end(self) -> bytes:
        self._end_sheet()
        for name, content in self._parts():
            self._archive.writestr(name, content)
        self._archive.close()
        return self._drain.take()

    def _begin_sheet(self) -> None:
        self._end_sheet()
        self._sheets += 1
        self._sheet = self._archive.open(f"xl/worksheets/sheet{self._sheets}.xml", "w")
        self._rows_left, self._bytes_left = MOST_ROWS - 1, MOST_SHEET_BYTES
        # The headers stay where they are when one scrolls.
        self._write(
            f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" '
            'topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData><row>'
        )
        self._write("".join(_string(name, _HEADER) for name in self._columns) + "</row>")

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self._write("</sheetData></worksheet>")
            self._sheet.close()

    def _write(self, xml: str) -> None:
        assert self._sheet is not None  # noqa: S101 -- rows come after the start
        self._bytes_left -= self._sheet.write(xml.encode())

    def _parts(self) -> list[tuple[str, str]]:
        numbers = range(1, self._sheets + 1)
        titles = [self._title if number == 1 else f"{self._title} {number}" for number in numbers]
        sheets = "".join(
            f'<sheet name="{escape(title[:31])}" sheetId="{number}" r:id="rId{number}"/>'
            for number, title in zip(numbers, titles, strict=True)
        )
        parts = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
        parts += [(f"/xl/worksheets/sheet{number}.xml", "worksheet") for number in numbers]
        overrides = "".join(f'<Override PartName="{part}" ContentType="{_TYPE}.{kind}+xml"/>' for part, kind in parts)
        links = [("styles", "styles.xml"), *(("worksheet", f"worksheets/sheet{number}.xml") for number in numbers)]
        return [
            (
                "[Content_Types].xml",
                f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/'
                f'vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>',
            ),
            ("_rels/.rels", _relationships([("officeDocument", "xl/workbook.xml")])),
            ("xl/_rels/workbook.xml.rels", _relationships([*links[1:], links[0]])),
            (
                "xl/workbook.xml",
                f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>',
            ),
            ("xl/styles.xml", _STYLES),
        ]


def _relationships(targets: list[tuple[str, str]]) -> str:
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _cell(value: Any) -> str:
    match value:
        case None:
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{value:d}</v></c>'
        case int() | float():
            return f"<c><v>{value}</v></c>"
        case datetime():
            return _instant(value.astimezone(UTC))
        case date() if value >= _FIRST_DAY:
            return f'<c s="{_DAY}"><v>{(value - _EPOCH).days}</v></c>'
        case list() | dict():
            return _string(line(value))
    return _string(str(plain(value)))


def _instant(value: datetime) -> str:
    if value.date() < _FIRST_DAY:
        return _string(str(plain(value)))
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return f'<c s="{_INSTANT}"><v>{(value.date() - _EPOCH).days + seconds / 86_400:.10f}</v></c>'


def _string(value: str, style: int = 0) -> str:
    written = escape(_UNWRITABLE.sub(lambda match: f"_x{ord(match[0]):04X}_", value))
    return f'<c t="inlineStr" s="{style}"><is><t xml:space="preserve">{written}</t></is></c>'
