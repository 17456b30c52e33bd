"""Text of users in a file for spreadsheets: a formula for no reader, whatever separates the cells where they live."""

import csv
import io

import pytest

from todoproject.admin.exports.cells import text
from todoproject.admin.exports.formats import CsvFile

SIGNS = (*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HOSTILE = [
    "{}1+1",
    "a;{}1+1;b",
    "a\t{}1+1",
    "a|{}1+1",
    "a\n{}1+1",
    "a\r\n{}1+1",
    "a\r{}1+1",
    "\r\n{}1+1",
    "a; {}1+1",
    'a;"{}1+1"',
    "a;''{}1+1",
    'a";"{}1+1',
    "a;;{}1+1",
    "a;{0}1;{0}2\t{0}3",
    "a,{}1+1",
    '","{}1+1',
    '"\n{}1+1',
    "\u3000{}1+1",
    "a\x0b{}1+1",
    "a\u2028{}1+1",
]


def cells(content: str, separator: str, quoting: int) -> list[str]:
    rows = csv.reader(io.StringIO(content, newline=""), delimiter=separator, quoting=quoting)
    return [cell for row in rows for cell in row]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("template", HOSTILE)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONE])
def test_no_text_is_a_formula_for_any_reader(sign: str, template: str, separator: str, quoting: int) -> None:
    if separator == "," and quoting == csv.QUOTE_NONE:
        return  # a reader of commas that knows no quotation marks reads no CSV (RFC 4180)
    file, value = CsvFile("tasks", ["id", "title", "text"]), template.format(sign)
    content = (file.start() + file.rows([["1", value, "x"], ["2", "y", value], [value, "z", ""]])).decode("utf-8-sig")
    for line in content.splitlines() if quoting == csv.QUOTE_NONE else [content]:
        for cell in cells(line, separator, quoting):
            assert not cell.lstrip(" \u3000\"'" if cell[:1] in ' \u3000"' else "").startswith((*SIGNS, "\t", "\r"))


@pytest.mark.parametrize("value", ["Buy milk", "a; b", "milk, - no sugar", "1-2", "x=1", "a@b.example", "“quoted”", ""])
def test_what_is_no_formula_stays_as_it_is(value: str) -> None:
    assert text(value) == value


def test_a_file_begins_with_the_mark_that_excel_looks_for() -> None:
    assert CsvFile("tasks", ["a"]).start() == b"\xef\xbb\xbfa\r\n"
