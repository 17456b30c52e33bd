"""Files that are made to do harm, or are just broken: what of them is refused, and how long that takes."""

import gzip
import io
import json
import time
import zipfile
from contextlib import suppress
from typing import Any

import pytest

from tasks.formats.items import FileRefused
from tests.tasks.test_formats import calendar, only, read


def _vikunja(**members: Any) -> str:
    return json.dumps([{"title": "Home", "tasks": [{"id": 1, "title": "Odd", **members}, {"id": 2, "title": "Even"}]}])


@pytest.mark.parametrize(
    "content",
    [
        _vikunja(percent_done="x"),
        _vikunja(percent_done=[1]),
        _vikunja(percent_done=10**400),
        _vikunja(
            due_date="2026-12-01T00:00:00Z", reminders=[{"relative_to": "due_date", "relative_period": -(10**30)}]
        ),
        _vikunja(end_date="9999-12-31T23:59:59Z"),
        calendar("SUMMARY:Odd", "DTSTART:99991231", "DURATION:P9D", "END:VTODO", "BEGIN:VTODO", "SUMMARY:Even"),
        calendar("SUMMARY:Odd", "X-TODO-DUE-AT:soon", "END:VTODO", "BEGIN:VTODO", "SUMMARY:Even"),
        calendar("SUMMARY:Odd", "X-TODO-STARTS-ON:soon", "END:VTODO", "BEGIN:VTODO", "SUMMARY:Even"),
        f"list,title,due_on,reminders\nHome,Odd,,{'[' * 100_000}\nHome,Even,,\n",
    ],
)
def test_value_that_is_none_takes_along_its_task_alone(content: str) -> None:
    contents = read(content)[1]

    assert [(notice.title, notice.code) for notice in contents.left_out] == [("Odd", "unreadable")]
    assert [item.title for item in contents.items] == ["Even"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damaged_archive_is_refused_wherever_the_damage_is(method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("data.json", _vikunja())
    whole = packed.getvalue()
    for at in range(4, len(whole)):
        with suppress(FileRefused):
            read(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])


def test_file_that_is_compressed_is_no_list_of_odd_tasks() -> None:
    with pytest.raises(FileRefused, match="gzip"):
        read(gzip.compress(b"Buy milk"))


@pytest.mark.parametrize("part", ["<a ", "<!--", "<p></", "<p a='", "<p>&a"])
def test_html_takes_time_as_it_is_long(part: str) -> None:
    """The parser of the library took minutes for a tenth of this."""
    started = time.process_time()
    only(json.dumps([{"title": "Home", "tasks": [{"id": 1, "title": "x", "description": part * 500_000}]}]))

    assert time.process_time() - started < 20


def test_html_is_read_as_text_with_its_links_and_entities() -> None:
    html = (
        "<p>a &lt;b&gt; &amp;&#33;</p><!-- no --><ul><li>one</li>"
        '<li><a href="https://x.example/?a=1&amp;b">two</a></li></ul>1 < 2<br/>end'
    )
    item = only(json.dumps([{"title": "Home", "tasks": [{"id": 1, "title": "x", "description": html}]}]))

    assert item.description == "a <b> &!\n- one\n- https://x.example/?a=1&b two\n\n1 < 2\nend"


def test_file_of_nothing_that_can_be_kept_is_refused_after_so_many() -> None:
    with pytest.raises(FileRefused, match=r"50,000"):
        read(json.dumps([{"title": "Home", "tasks": [0] * 50_001}]))
