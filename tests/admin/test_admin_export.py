"""Lists taken along: complete, in order, harmless, and never whole in memory."""

import asyncio
import csv
import io
import json
import struct
import uuid
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from tasks.models import Task
from tests.support.staff import editor, in_thread, make_task, make_user, page, root_client
from todoproject.admin.exports import formats, xlsx
from todoproject.admin.exports import rows as streams

pytestmark = pytest.mark.usefixtures("orm")

EXPORT = "/admin/tasks/task/export/"


def async_client(client: Client) -> AsyncClient:
    """Return the same person's client for the ASGI handler: it streams."""
    other = AsyncClient()
    other.cookies = client.cookies
    return other


async def export(client: Client, query: dict[str, str], suffix: str, **headers: str) -> Any:
    return await async_client(client).post(
        f"{EXPORT}file/", {"format": suffix}, query_params=query, headers=headers or None
    )


async def body(response: Any) -> bytes:
    content = b"".join([piece async for piece in response.streaming_content])
    await sync_to_async(in_thread)(lambda: None)  # closes the connection of the request’s thread
    return content


async def exported(client: Client, query: dict[str, str], suffix: str) -> bytes:
    response = await export(client, query, suffix)
    assert response.status_code == 200
    return await body(response)


def three_tasks() -> tuple[Any, list[Task]]:
    owner = make_user()
    due = datetime(2031, 3, 1, 12, 30, tzinfo=UTC)
    return owner, [
        make_task(owner, '=HYPERLINK("http://evil")', description="two\nlines, “quoted”", priority=4),
        make_task(owner, "Buy <milk> & bread", due_on=date(2031, 3, 1)),
        make_task(owner, "@done", is_completed=True, due_at=due),
    ]


async def test_a_list_is_exported_as_csv(staff: Client) -> None:
    owner, made = await asyncio.to_thread(in_thread, three_tasks)
    text = (await exported(staff, {"user__id__exact": str(owner.pk)}, "csv")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["id"] for row in rows] == [str(task.id) for task in reversed(made)]
    assert [row["title"] for row in rows] == ["'@done", "Buy <milk> & bread", '\'=HYPERLINK("http://evil")']
    assert rows[2]["description"] == "two\nlines, “quoted”"
    assert [row["priority"] for row in rows] == ["none", "none", "urgent"]
    assert [row["is_completed"] for row in rows] == ["true", "false", "false"]
    assert (rows[0]["due_at"], rows[1]["due_on"], rows[2]["due_on"]) == ("2031-03-01T12:30:00Z", "2031-03-01", "")
    assert {row["owner"] for row in rows} == {owner.email}


async def test_a_list_is_exported_as_json(staff: Client) -> None:
    owner, made = await asyncio.to_thread(in_thread, three_tasks)
    rows = json.loads(await exported(staff, {"user__id__exact": str(owner.pk), "priority__exact": "4"}, "json"))
    assert len(rows) == 1
    assert (rows[0]["title"], rows[0]["due_on"], rows[0]["version"]) == (made[0].title, None, 1)
    assert json.loads(await exported(staff, {"q": str(uuid.uuid4())}, "json")) == []


async def test_a_list_is_exported_as_xlsx(staff: Client) -> None:
    owner, made = await asyncio.to_thread(in_thread, three_tasks)
    content = await exported(staff, {"user__id__exact": str(owner.pk)}, "xlsx")
    header, *rows = openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)  # type: ignore[union-attr]
    rows = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["id"] for row in rows] == [str(task.id) for task in reversed(made)]
    assert rows[2]["title"] == made[0].title  # as text: a spreadsheet does not run it
    assert rows[1]["title"] == "Buy <milk> & bread"
    assert (rows[0]["is_completed"], rows[0]["due_at"]) == (True, datetime(2031, 3, 1, 12, 30))  # noqa: DTZ001 -- a cell has no zone
    assert rows[1]["due_on"] == datetime(2031, 3, 1)  # noqa: DTZ001 -- the same


async def test_chunks_follow_one_another_without_gap_or_repetition(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, made = await asyncio.to_thread(in_thread, three_tasks)
    for size in (1, 2, 3):
        monkeypatch.setattr(streams, "CHUNK_ROWS", size)
        rows = json.loads(await exported(staff, {"user__id__exact": str(owner.pk)}, "json"))
        assert [row["id"] for row in rows] == [str(task.id) for task in reversed(made)]


async def test_one_export_at_a_time_for_an_account(staff: Client) -> None:
    other = await sync_to_async(root_client)()
    first = await export(staff, {}, "csv")
    assert (await export(staff, {}, "json")).status_code == 429
    unread = await export(other, {}, "csv")
    assert unread.status_code == 200
    unread.close()  # as Django does for a client that is gone

    await body(first)
    await exported(staff, {}, "json")
    await exported(other, {}, "csv")


async def test_frames_tell_how_far_it_is_and_that_it_is_complete(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _ = await asyncio.to_thread(in_thread, three_tasks)
    monkeypatch.setattr(streams, "CHUNK_ROWS", 2)
    query = {"user__id__exact": str(owner.pk)}
    content = await body(await export(staff, query, "csv", **{"X-Export": "frames"}))
    told, file = [], b""
    while content:
        rows, length = struct.unpack(">II", content[:8])
        told.append((rows, length > 0))
        file, content = file + content[8 : 8 + length], content[8 + length :]
    assert told == [(0, True), (2, True), (3, True), (3, False)]
    assert file == await exported(staff, query, "csv")


async def test_a_client_that_goes_away_ends_the_queries() -> None:
    asked = []

    def source() -> Any:
        for number in range(1_000):
            asked.append(number)
            yield [[number]]

    pieces: AsyncIterator[bytes] = streams.stream(formats.CsvFile("numbers", ["number"]), source(), False)
    await anext(pieces)
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]  # as Django does to the response of a client that is gone
    assert asked == [0]


def test_a_sheet_that_is_full_goes_on_in_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 3)
    file = xlsx.XlsxFile("numbers", ["number"])
    content = file.start() + file.rows([[1], [2], [3], [4]]) + file.rows([[5]]) + file.end()
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert {sheet.title: [row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book} == {
        "numbers": ["number", 1, 2],
        "numbers 2": ["number", 3, 4],
        "numbers 3": ["number", 5],
    }
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_the_page_says_what_is_exported(staff: Client) -> None:
    owner, _ = three_tasks()
    text = page(staff.get(EXPORT, {"user__id__exact": str(owner.pk), "q": "milk"}))
    assert "<strong>1</strong>" in " ".join(text.split())
    assert "Filtered by owner" in text
    assert "Searched for “milk”" in text


def test_the_list_leads_to_its_export(staff: Client) -> None:
    owner, _ = three_tasks()
    assert f"/admin/tasks/task/export/?user__id__exact={owner.pk}" in page(
        staff.get(f"/admin/tasks/task/?user__id__exact={owner.pk}")
    )


def test_exporting_needs_the_right_to_look() -> None:
    for client in (editor("export_user"), editor("view_task")):
        assert client.get(EXPORT).status_code == 403
        assert client.post(f"{EXPORT}file/", {"format": "csv"}).status_code == 403
    assert EXPORT not in page(editor("view_task").get("/admin/tasks/task/"))
    assert EXPORT in page(editor("view_task", "export_user").get("/admin/tasks/task/"))


@pytest.mark.parametrize("form", [{}, {"format": "exe"}])
def test_a_made_up_format_is_refused(form: dict[str, str]) -> None:
    assert root_client().post(f"{EXPORT}file/", form).status_code == 400


def test_a_link_exports_nothing() -> None:
    assert root_client().get(f"{EXPORT}file/?format=csv").status_code == 400


def test_a_made_up_filter_leads_back_to_the_list(staff: Client) -> None:
    for address in (EXPORT, f"{EXPORT}file/"):
        response = staff.post(f"{address}?user__id__exact=x", {"format": "csv"})
        assert (response.status_code, response["Location"]) == (302, "/admin/tasks/task/")
