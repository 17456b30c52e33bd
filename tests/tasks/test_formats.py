"""Files of other programs, without a database: what they mean, and what is told of what they mean otherwise here."""

import csv
import io
import json
import zipfile
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import files, ical
from tasks.formats.ical.writing import BEGIN, END
from tasks.formats.items import Contents, FileRefused, Item
from tasks.formats.todoist.dates import parse as parse_words

TODAY = date(2026, 11, 29)  # a Sunday
BERLIN = ZoneInfo("Europe/Berlin")


def read(content: str | bytes, format: str | None = None) -> tuple[str, Contents]:
    return files.read(content.encode() if isinstance(content, str) else content, format, BERLIN, TODAY)


def only(content: str | bytes, format: str | None = None) -> Item:
    (item,) = read(content, format)[1].items
    return item


def told(contents: Contents) -> list[tuple[int, str]]:
    return [(notice.line, notice.code) for notice in contents.changed]


# --- Dates in words -------------------------------------------------------------------------------

WORDS: dict[str, tuple[str, str | None, str | None]] = {
    "today": ("2026-11-29", None, None),
    "tomorrow 5:30pm": ("2026-11-30", "17:30", None),
    "monday": ("2026-11-30", None, None),
    "27 jan 2027": ("2027-01-27", None, None),
    "Jan 27 2027 at 9am": ("2027-01-27", "09:00", None),
    "2027-01-27T09:00:00": ("2027-01-27", "09:00", None),
    "13/04/2027": ("2027-04-13", None, None),
    "29 feb": ("2028-02-29", None, None),
    "every day": ("2026-11-29", None, "FREQ=DAILY"),
    "every other week": ("2026-11-29", None, "FREQ=WEEKLY;INTERVAL=2"),
    "every mon, wed": ("2026-11-30", None, "FREQ=WEEKLY;BYDAY=MO,WE"),
    "every other mon": ("2026-11-30", None, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"),
    "every 15th": ("2026-12-15", None, "FREQ=MONTHLY;BYMONTHDAY=15"),
    "every 3 months": ("2026-11-29", None, "FREQ=MONTHLY;INTERVAL=3"),
    "every weekday": ("2026-11-30", None, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
    "every last friday": ("2026-12-25", None, "FREQ=MONTHLY;BYDAY=-1FR"),
    "every 27 jan": ("2027-01-27", None, "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=27"),
    "every monday at 20:00 starting 1 Jan 2027 until 1 Mar 2027": (
        *("2027-01-04", "20:00"),
        "FREQ=WEEKLY;BYDAY=MO;UNTIL=20270301",
    ),
}


@pytest.mark.parametrize("words", WORDS)
def test_dates_in_english_are_understood(words: str) -> None:
    found = parse_words(words, TODAY)
    assert found is not None
    day, at, rule = WORDS[words]
    assert (str(found.day), found.rule) == (day, rule)
    assert found.at is None if at is None else f"{found.at:%H:%M}" == at


@pytest.mark.parametrize("words", ["03/04/2027", "jeden Tag", "31 feb 2027", "every 0 days", "", "every", "99:99"])
def test_dates_that_could_be_others_are_none(words: str) -> None:
    assert parse_words(words, TODAY) is None


def test_every_with_a_mark_counts_from_completion() -> None:
    found = parse_words("every! 2 weeks", TODAY)
    assert found is not None
    assert (found.rule, found.counts_from) == ("FREQ=WEEKLY;INTERVAL=2", "completion")


@given(st.text(max_size=40))
def test_no_words_are_a_crash(words: str) -> None:
    parse_words(words, TODAY)
    parse_words(f"every {words}", TODAY)


# --- Todoist --------------------------------------------------------------------------------------

HEAD = "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE,DURATION,DURATION_UNIT"
TODOIST = f"""\ufeff{HEAD}
meta,view_style=list,,,,,,,,,,
task,Buy milk @errand,"two
lines",1,1,Me (1),,every day at 9am,en,Europe/Madrid,15,minute
note,A note,,,,,,,,,,
task,me@home.example,,4,2,,,27 Jan 2027,en,,,
,,,,,,,,,,,
section,Later,,,,,,,,,,
task,Odd,,3,1,,,jeden Tag,de,,,
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_todoist_csv_says_what_it_means_there(ends: str, delimiter: str) -> None:
    rows = csv.reader(io.StringIO(TODOIST.removeprefix("\ufeff")))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    name, contents = read(b"\xef\xbb\xbf" + text.getvalue().replace("\n", ends).encode())

    first, second, third = contents.items
    assert name == "todoist-csv"
    assert (first.title, first.labels, first.priority, first.line) == ("Buy milk", ("errand",), "urgent", 3)
    assert first.description == "two\nlines\n\nDuration: 15 minute\n\nA note"
    assert first.recurrence == {"rule": "FREQ=DAILY", "from": "due", "timezone": "Europe/Madrid"}
    assert (str(first.due_on), f"{first.due_time:%H:%M}") == ("2026-11-29", "09:00")
    assert (second.title, second.parent, second.labels) == ("me@home.example", first.key, ())
    assert (second.priority, str(second.due_on)) == ("none", "2027-01-27")
    assert (third.priority, third.labels, third.parent) == ("medium", ("Later",), None)
    assert third.description == "Date: jeden Tag"
    assert told(contents) == [(3, "reckoned"), (3, "duration"), (8, "section"), (9, "date")]


def test_todoist_csv_tells_of_a_priority_that_is_none() -> None:
    _, contents = read(TODOIST.replace("task,Odd,,3,", "task,Odd,,9,").encode())

    assert contents.items[2].priority == "none"
    assert (9, "not-understood") in told(contents)


def test_todoist_json_turns_priorities_round_and_knows_its_projects() -> None:
    document = {
        "projects": [
            {"id": "1", "name": "Inbox", "inbox_project": True},
            {"id": "2", "name": "Work", "color": "red"},
        ],
        "items": [
            {
                "id": "9",
                "content": "Call",
                "project_id": "2",
                "priority": 4,
                "labels": ["x"],
                "added_at": "2026-01-01T00:00:00.000000Z",
                "checked": True,
                "completed_at": "2026-02-01T10:00:00Z",
                "due": {
                    "date": "2027-01-01T09:00:00",
                    "string": "every day at 9am",
                    "lang": "en",
                    "is_recurring": True,
                },
            },
            {"id": "8", "content": "Below", "project_id": "1", "priority": 1, "parent_id": "9"},
            {"id": "7", "content": "Gone", "is_deleted": True},
            "nonsense",
        ],
    }
    name, contents = read(json.dumps(document))

    call, below = contents.items
    assert (name, call.list_name, call.priority, call.uuid) == ("todoist-json", "Work", "urgent", "9")
    assert call.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert call.completed_at == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert f"{call.due_time:%H:%M}" == "09:00"
    assert (below.parent, below.priority, below.list_name) == ("9", "none", None)
    assert [(notice.line, notice.code) for notice in contents.left_out] == [(3, "deleted"), (4, "unreadable")]
    assert [(each.name, each.color) for each in contents.lists] == [("Work", "#dc4c3e")]


# --- TickTick -------------------------------------------------------------------------------------

_COLUMNS = (
    "Folder Name,List Name,Title,Kind,Tags,Content,Is Check list,Start Date,Due Date,Reminder,Repeat,Priority,Status,"
    "Created Time,Completed Time,Order,Timezone,Is All Day,Is Floating,taskId,parentId"
)


def ticktick(statuses: str, *rows: dict[str, str]) -> str:
    text = io.StringIO()
    names = _COLUMNS.split(",")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([["Date: 2026-11-29+0000"], ["Version: 7.1"], [f"Status: \n{statuses}"], names])
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return text.getvalue()


def test_ticktick_statuses_are_what_its_first_lines_say() -> None:
    rows = [{"Title": f"Status {number}", "Status": number, "taskId": number} for number in ("0", "1", "2", "-1")]
    old = read(ticktick("0 Normal\n1 Completed\n2 Archived", *rows))[1]
    assert [item.is_completed for item in old.items] == [False, True, True]
    assert [notice.code for notice in old.left_out] == ["status"]
    new = read(ticktick("-1 Abandoned\n0 Normal\n2 Completed", *rows))[1]
    assert [(item.title, item.is_completed) for item in new.items] == [("Status 0", False), ("Status 2", True)]
    assert [notice.code for notice in new.left_out] == ["status", "abandoned"]
    with pytest.raises(FileRefused, match="do not say what the numbers of Status mean"):
        read(ticktick("", *rows))


def test_ticktick_days_are_those_of_its_zone_and_check_lists_are_subtasks() -> None:
    row = {
        "Title": "Shop",
        "List Name": "Home",
        "Folder Name": "F",
        "Kind": "CHECKLIST",
        "Tags": "a, b",
        "Content": "desc\n▫ milk\n▪ bread",
        "Due Date": "2026-12-01T23:00:00+0000",
        "Is All Day": "true",
        "Timezone": "Europe/Madrid",
        "Reminder": "P0DT9H0M0S",
        "Repeat": "RRULE:FREQ=DAILY",
        "Priority": "5",
        "Status": "0",
        "taskId": "t1",
    }
    timed = {
        "Title": "Timed",
        "Status": "0",
        "taskId": "t2",
        "parentId": "t1",
        "Timezone": "Europe/Madrid",
        "Due Date": "2026-12-01T23:00:00+0000",
        "Reminder": "TRIGGER:-PT60M",
    }
    contents = read(ticktick("0 Normal\n1 Completed", row, timed, {"Title": "A note", "Kind": "NOTE"}))[1]

    shop, milk, bread, other = contents.items
    assert (str(shop.due_on), shop.due_time, shop.description) == ("2026-12-02", None, "desc")
    assert (shop.priority, shop.labels, shop.list_name) == ("high", ("a", "b"), "Home")
    assert shop.reminders == ({"at": "2026-12-02T08:00:00.000000Z"},)
    assert [(each.title, each.parent, each.is_completed) for each in (milk, bread)] == [
        ("milk", "t1", False),
        ("bread", "t1", True),
    ]
    assert (other.parent, other.reminders) == ("t1", ({"minutes_before": 60},))
    assert f"{other.due_on} {other.due_time:%H:%M}" == "2026-12-02 00:00"
    assert [code for _, code in told(contents)] == ["folder", "once"]
    assert [notice.code for notice in contents.left_out] == ["note"]


# --- Vikunja --------------------------------------------------------------------------------------

_VIKUNJA: dict[str, Any] = {
    "id": 5,
    "title": "T",
    "description": "<p>Hi <b>x</b></p>",
    "due_date": "2027-01-01T10:00:00Z",
    "priority": 5,
    "repeat_after": 604800,
    "repeat_mode": 2,
    "labels": [{"title": "l"}],
    "done_at": "0001-01-01T00:00:00Z",
    "reminders": [{"relative_period": -3600, "relative_to": "due_date", "reminder": "2027-01-01T09:00:00Z"}],
}


def test_vikunja_is_read_from_its_archive_too() -> None:
    content = json.dumps([{"id": 1, "title": "P", "hex_color": "FF0000", "tasks": [_VIKUNJA]}]).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.json", content)
    for each in (content, archive.getvalue()):
        name, contents = read(each)
        (item,) = contents.items
        assert (name, item.title, item.description, item.priority) == ("vikunja-json", "T", "Hi x", "urgent")
        assert item.recurrence == {"rule": "FREQ=WEEKLY", "from": "completion", "timezone": "Europe/Berlin"}
        assert (item.reminders, item.is_completed) == (({"minutes_before": 60},), False)
        assert [(row.name, row.color) for row in contents.lists] == [("P", "#ff0000")]
        assert told(contents) == [(1, "html")]
    with pytest.raises(FileRefused, match="damaged"):
        read(archive.getvalue()[:-40])


_AT = "2027-01-01T09:00:00Z"


@pytest.mark.parametrize(
    ("reminder", "read_as", "codes"),
    [
        ({"relative_period": 0, "relative_to": "due_date"}, {"minutes_before": 0}, []),
        ({"relative_period": -60, "relative_to": "due_date"}, {"minutes_before": 1}, []),
        ({"relative_period": 1, "relative_to": "due_date", "reminder": _AT}, {"at": "2027-01-01T09:00:00.000000Z"}, []),
        ({"relative_period": 0, "relative_to": "end_date", "reminder": _AT}, {"at": "2027-01-01T09:00:00.000000Z"}, []),
        ({"relative_period": 1, "relative_to": "due_date"}, None, ["not-understood"]),
        ({"relative_period": 0, "relative_to": "end_date"}, None, ["not-understood"]),
    ],
)
def test_vikunja_reminds_up_to_the_due_or_at_an_instant(
    reminder: dict[str, Any], read_as: dict[str, Any] | None, codes: list[str]
) -> None:
    task = _VIKUNJA | {"description": "", "reminders": [reminder]}
    contents = read(json.dumps([{"id": 1, "title": "P", "tasks": [task]}]))[1]
    (item,) = contents.items
    assert list(item.reminders) == ([] if read_as is None else [read_as])
    assert [code for _, code in told(contents)] == codes


# --- iCalendar ------------------------------------------------------------------------------------


def calendar(*lines: str, before: str = "") -> bytes:
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", before, "BEGIN:VTODO", *lines, "END:VTODO", "END:VCALENDAR"])
    return text.replace("\r\n\r\n", "\r\n").encode()


def test_calendar_is_read_also_where_a_fold_cuts_a_character() -> None:
    content = calendar("UID:a", "SUMMARY:Hé", "CATEGORIES:a,b\\,c", "PRIORITY:3", "RELATED-TO:b")
    cut = content.replace("é".encode(), b"\xc3\r\n \xa9")
    assert cut != content
    item = only(cut)
    assert (item.title, item.labels, item.priority) == ("Hé", ("a", "b,c"), "high")
    assert (item.uuid, item.parent) == ("a", "b")


@pytest.mark.parametrize(
    ("due", "at"),
    [
        ("DUE;VALUE=DATE:20270101", None),
        ("DUE:20270101T080000Z", "2027-01-01T08:00:00+00:00"),
        ("DUE:20270101T090000", "2027-01-01T08:00:00+00:00"),
        ("DUE;TZID=America/New_York:20270101T090000", "2027-01-01T14:00:00+00:00"),
        ("DUE;TZID=W. Europe Standard Time:20270101T090000", "2027-01-01T08:00:00+00:00"),
        ("DUE;TZID=Mine:20270101T090000", "2027-01-01T05:30:00+00:00"),
    ],
)
def test_calendar_knows_every_kind_of_time(due: str, at: str | None) -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Mine\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0330\r\n"
        "TZOFFSETTO:+0330\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )
    item = only(calendar("UID:a", "SUMMARY:x", due, before=zone))
    if at is None or item.due_time is None or item.due_on is None:
        assert (at, str(item.due_on), item.due_time) == (None, "2027-01-01", None)
    else:
        assert datetime.combine(item.due_on, item.due_time) == datetime.fromisoformat(at)


def test_calendar_tells_what_has_no_place() -> None:
    text = calendar(
        "UID:a", "SUMMARY:x", "LOCATION:Here", "PERCENT-COMPLETE:50", "RRULE:FREQ=HOURLY", "DUE:20270101T080000Z"
    )
    contents = read(text)[1]
    assert {code for _, code in told(contents)} == {"location", "progress", "rule"}
    assert "Location: Here" in contents.items[0].description
    for line, code in (("STATUS:CANCELLED", "cancelled"), ("RECURRENCE-ID:20270101T080000Z", "override")):
        assert [notice.code for notice in read(calendar("UID:a", "SUMMARY:x", line))[1].left_out] == [code]


_TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cf", "Mn", "Zs", "Lo")), min_size=1, max_size=30
)
_ITEMS = st.builds(
    Item,
    title=_TEXTS.map(str.strip).filter(str.isalnum),
    description=st.one_of(st.just(""), st.lists(_TEXTS, min_size=1).map("\n".join)),
    priority=st.sampled_from(["none", "low", "medium", "high", "urgent"]),
    labels=st.lists(st.sampled_from(["a,b", "c;d", "e\\f", "ü", "x y", ":"]), unique=True).map(tuple),
    list_name=st.sampled_from([None, "Home", "a,b;c", "\\n", "x:y"]),
    due_on=st.dates(date(1990, 1, 1), date(2060, 1, 1)),
    starts_on=st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2060, 1, 1))),
    recurrence=st.sampled_from([None, {"rule": "FREQ=WEEKLY;BYDAY=MO", "from": "completion", "missed": "keep"}]),
    reminders=st.sampled_from([(), ({"minutes_before": 5},), ({"at": "2027-01-01T00:00:00.000000Z"},)]),
    uuid=st.uuids().map(str),
    external_id=st.sampled_from([None, "a b/1", "x,y", "two\nlines; \\n"]),
)


@settings(max_examples=200, deadline=None)
@given(_ITEMS)
def test_calendar_back_and_forth_is_the_same(item: Item) -> None:
    written = BEGIN + ical.write(item, datetime.now(UTC)) + END
    assert only(written) == item


# --- Whatever it is -------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([None, *files.FORMATS]))
def test_no_bytes_are_a_crash(content: bytes, format: str | None) -> None:
    with suppress(FileRefused):
        read(content, format)


@pytest.mark.parametrize("whole", [TODOIST.encode(), calendar("UID:a", "SUMMARY:x"), b'{"tasks": [{"title": "x"}]}'])
def test_file_that_is_cut_off_anywhere_is_refused_or_says_less(whole: bytes) -> None:
    """What is cut off within a row, a text or an object is refused; between two rows nobody can tell."""
    name, contents = read(whole)
    for end in range(1, len(whole.rstrip()) - 1):
        try:
            found = read(whole[:end], name)[1]
        except FileRefused:
            continue
        assert name == "todoist-csv"
        assert len(found.items) <= len(contents.items)


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        b"\n<!DOCTYPE html>\n<title>Log in</title>",
        b"<?xml version='1.0'?>",
    ],
)
def test_what_nobody_keeps_tasks_in_is_refused_rather_than_read_line_by_line(content: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        read(content)
    assert refused.value.code == "no-tasks"


def test_empty_file_is_nothing_to_do() -> None:
    for content in (b"", b"\xef\xbb\xbf", b"\n\n"):
        assert read(content) == ("todo.txt", Contents())
