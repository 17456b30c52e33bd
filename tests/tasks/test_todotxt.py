"""todo.txt, without a database: what each word means, what odd files are, and back and forth is the same."""

import string
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats.items import FileRefused, Item
from tasks.formats.todotxt import parse, parse_line, write
from tasks.formats.todotxt.words import folded
from tasks.models import FIRST_DATE, LAST_DATE
from tasks.recurrence import written
from tasks.schemas import TaskCreate

DAY = date(2026, 11, 22)
LINES: dict[str, dict[str, Any]] = {
    "Buy milk": {"title": "Buy milk"},
    "(A) Buy milk": {"title": "Buy milk", "priority": "high"},
    "(B) 2026-11-22 Buy milk": {"title": "Buy milk", "priority": "medium", "created_on": DAY},
    "(Z) Buy milk": {"title": "Buy milk", "priority": "low"},
    "(a) Buy (B) milk": {"title": "(a) Buy (B) milk"},
    "Buy (A) milk": {"title": "Buy (A) milk"},
    "(A)Buy milk": {"title": "(A)Buy milk"},
    "x Buy milk": {"title": "Buy milk", "is_completed": True},
    "X Buy milk": {"title": "X Buy milk"},
    "xylophone lesson": {"title": "xylophone lesson"},
    "x 2026-11-22 Pay": {"title": "Pay", "is_completed": True, "completed_on": DAY},
    "x 2026-11-22 2026-11-22 Pay pri:B": {
        "title": "Pay",
        "is_completed": True,
        "completed_on": DAY,
        "created_on": DAY,
        "priority": "medium",
    },
    "x (A) Pay": {"title": "(A) Pay", "is_completed": True},
    "Pay pri:A": {"title": "Pay pri:A"},
    "Call +Home +garden @phone me@home.example 1+1": {
        "title": "Call me@home.example 1+1",
        "list_name": "Home",
        "labels": ("garden", "phone"),
    },
    "Call @Phone @phone + @": {"title": "Call + @", "labels": ("Phone",)},
    "Pay due:2026-11-22 t:2026-11-22 rec:2w": {
        "title": "Pay",
        "due_on": DAY,
        "starts_on": DAY,
        "recurrence": {"rule": "FREQ=WEEKLY;INTERVAL=2", "from": "completion"},
    },
    "Pay due:2026-11-22 rec:+1m": {
        "title": "Pay",
        "due_on": DAY,
        "recurrence": {"rule": "FREQ=MONTHLY", "from": "due"},
    },
    "Pay due:2026-11-22 rec:+1b": {
        "title": "Pay",
        "due_on": DAY,
        "recurrence": {"rule": "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "from": "due"},
    },
    "See https://example.org/a?b=c:d and foo:bar": {"title": "See https://example.org/a?b=c:d and foo:bar"},
    "Pay due: soon": {"title": "Pay due: soon"},
    "Meet due:2026-11-22 at:17:00+01:00": {
        "title": "Meet",
        "due_on": DAY,
        "due_time": time(17, tzinfo=timezone(timedelta(hours=1))),
    },
    "Pay due:2026-11-22 rec:+1w occurs:2026-11-20 external:a%20b": {
        "title": "Pay",
        "due_on": DAY,
        "recurrence": {"rule": "FREQ=WEEKLY", "from": "due"},
        "occurrence": "2026-11-20",
        "external_id": "a b",
    },
    "Pay id:7 p:6": {"title": "Pay id:7 p:6"},  # of other programs, which count from 1 in every file
    r"Buy \+milk \due:x": {"title": "Buy +milk due:x"},
    "  Buy\tmilk  ": {"title": "Buy milk"},
    "Buy +Home%20Garden @a%2Cb desc:two%0Alines%20%25": {
        "title": "Buy",
        "list_name": "Home Garden",
        "labels": ("a,b",),
        "description": "two\nlines %",
    },
}


@pytest.mark.parametrize("line", LINES)
def test_each_word_means_what_the_contract_says(line: str) -> None:
    item, told = parse_line(line)

    assert (item, told) == (Item(**LINES[line]), [])
    assert parse_line(write(item))[0] == item


@pytest.mark.parametrize(
    ("line", "title", "code"),
    [
        ("Pay due:tomorrow", "Pay due:tomorrow", "left-in-title"),
        ("Pay due:2026-02-30", "Pay due:2026-02-30", "left-in-title"),
        ("Pay due:0001-01-01", "Pay due:0001-01-01", "left-in-title"),
        ("Pay due:2026-11-22 due:2026-11-23", "Pay due:2026-11-23", "left-in-title"),
        ("Pay due:2026-11-22 rec:0d", "Pay rec:0d", "left-in-title"),
        ("Pay due:2026-11-22 rrule:FREQ=HOURLY", "Pay rrule:FREQ=HOURLY", "left-in-title"),
        ("Pay uuid:7", "Pay uuid:7", "left-in-title"),
        ("Pay @" + "l" * 51, "Pay @" + "l" * 51, "left-in-title"),
        ("Pay @..", "Pay @..", "left-in-title"),
        ("Pay rec:1w", "Pay", "no-due"),
        ("Pay at:17:00Z", "Pay", "no-due"),
        ("Pay due:2026-11-22 occurs:2026-11-22", "Pay", "no-series"),
        ("Pay due:2026-11-22 rec:1w occurs:2026-11-22T10:00:00Z", "Pay", "no-series"),
        ("Pay due:2026-11-22 rec:1w occurs:2026-11-22T10:00:00", "Pay occurs:2026-11-22T10:00:00", "left-in-title"),
        ("Pay external:..", "Pay external:..", "left-in-title"),
        ("2026-02-30 Pay", "2026-02-30 Pay", None),
        ("+home @phone", "+home @phone", "no-title"),
        ("Pay\x00 the\x1brent", "Pay  the rent", "control-characters"),
        ("w" * 300, "w" * 255, "too-long"),
    ],
)
def test_what_cannot_be_kept_is_told_with_its_line(line: str, title: str, code: str | None) -> None:
    item, told = parse_line(line, 7)

    assert (item.title, [(notice.line, notice.code) for notice in told]) == (title, [(7, code)] if code else [])
    TaskCreate.model_validate({"title": item.title})
    assert parse_line(write(item), 7)[0] == item


@pytest.mark.parametrize("letter", ["e", "%C3%A9"], ids=["plain", "encoded"])
def test_external_id_has_as_many_characters_as_the_api_takes(letter: str) -> None:
    longest, told = parse_line("Pay external:" + letter * 255)
    beyond, told_beyond = parse_line("Pay external:" + letter * 256)

    assert (longest.external_id, longest.title, told) == (unquote(letter) * 255, "Pay", [])
    assert beyond.external_id is None
    assert [notice.code for notice in told_beyond] == ["left-in-title", "too-long"]


def test_title_that_is_too_long_is_whole_in_the_description() -> None:
    words = " ".join(["word"] * 1_000)
    assert parse_line(f"{words} desc:more")[0].description == f"{words}\n\nmore"
    item, told = parse_line("é" * 20_000 + " desc:more")
    assert (len(item.description), told[0].code) == (10_000, "cut")


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "titles"),
    [
        (b"", []),
        (b"\n \r\n\t\n", []),
        (b"\xef\xbb\xbfA\r\nB\rC\n\nD", ["A", "B", "C", "D"]),
        ("Müller\nZoë".encode("utf-16"), ["Müller", "Zoë"]),
        ("Müller\nZoë €\n".encode("cp1252"), ["Müller", "Zoë €"]),
        ("a\u2028b\x85c".encode(), ["a b c"]),
    ],
)
def test_lines_are_found_whatever_wrote_the_file(content: bytes, titles: list[str]) -> None:
    items, told = parse(content)

    assert [item.title for item in items] == titles
    assert [notice.code for notice in told if notice.code == "encoding"] == ["encoding"] * (b"\xfcller" in content)


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("Müller\nZoë".encode()[:-1], "cut-off", 2),
        ("Müller".encode("utf-16")[:-1], "cut-off", 1),
        (b"\xff\xfe" + b"\x00\xd8" * 3 + b"a\0", "encoding", None),
        (b"a\n" * 50_001, "too-many", 50_001),
        (b"a" * (16 * 2**20 + 1), "too-large", None),
    ],
)
def test_file_that_cannot_be_right_is_refused_whole(content: bytes, code: str, line: int | None) -> None:
    with pytest.raises(FileRefused) as refused:
        parse(content)
    assert (refused.value.code, refused.value.line) == (code, line)


# --- Back and forth -------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    [
        "x",
        "(A)",
        "+milk",
        "@home",
        "due:2026-01-01",
        "due:",
        "at:x",
        r"\x",
        r"\\+y",
        "2026-01-01",
        "http://a/%20b",
        "%41",
    ]
)
_SHOWN = st.characters(exclude_categories=["C", "Z"], exclude_characters="\u3164\u115f\u1160\uffa0\u2800\u034f")
_TITLES = st.lists(_WORDS | st.text(_SHOWN, min_size=1, max_size=8), min_size=1, max_size=6).map(" ".join)
_NAMES = st.text(_SHOWN | st.sampled_from(" %+@\\:"), min_size=1, max_size=20).map(str.strip)
_NAMES = _NAMES.filter(lambda name: any(letter in string.ascii_letters + string.digits for letter in name))
_DAYS = st.dates(FIRST_DATE, LAST_DATE)
_TIMES = st.times(timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))))
_RULES = ["FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=1", "FREQ=MONTHLY;BYDAY=2TU;COUNT=3"]
_RECURRENCES = st.fixed_dictionaries(
    {"rule": st.sampled_from(_RULES), "from": st.sampled_from(["due", "completion"])},
    optional={"timezone": st.just("Europe/Berlin"), "missed": st.just("keep")},
)
_REMINDERS = st.integers(0, 40_320).map(lambda minutes: {"minutes_before": minutes})
_REMINDERS = _REMINDERS | st.just({"at": "2027-01-04T08:00:00.000000Z"})
_IDS = st.uuids().map(str)
_EXTERNAL_IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
_EXTERNAL_IDS = _EXTERNAL_IDS.filter(lambda name: name not in (".", ".."))
_INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(written)  # noqa: DTZ001 -- given by timezones


@st.composite
def _items(draw: Any) -> Item:
    is_completed, due_on = draw(st.booleans()), draw(st.none() | _DAYS)
    completed_on = draw(_DAYS) if is_completed else None
    labels = draw(st.lists(_NAMES, max_size=4, unique_by=folded))
    due_time = draw(st.none() | _TIMES) if due_on else None
    recurrence = draw(st.none() | _RECURRENCES) if due_on else None
    return Item(
        title=draw(_TITLES),
        description=draw(st.text(st.characters(exclude_categories=["C"]) | st.sampled_from("\n\t"), max_size=30)),
        is_completed=is_completed,
        completed_on=completed_on,
        created_on=draw(st.none() | _DAYS) if completed_on or not is_completed else None,
        priority=draw(st.sampled_from(["none", "low", "medium", "high", "urgent"])),
        list_name=draw(st.none() | _NAMES),
        labels=tuple(labels),
        due_on=due_on,
        due_time=due_time,
        starts_on=draw(st.none() | _DAYS),
        recurrence=recurrence,
        occurrence=draw(st.none() | (_INSTANTS if due_time else _DAYS.map(str))) if recurrence else None,
        reminders=tuple(draw(st.lists(_REMINDERS, max_size=5))),
        uuid=draw(st.none() | _IDS),
        parent=draw(st.none() | _IDS),
        external_id=draw(st.none() | _EXTERNAL_IDS),
    )


@settings(max_examples=60, deadline=None)
@given(_items())
def test_back_and_forth_is_the_same(item: Item) -> None:
    line = write(item)

    again, told = parse_line(line)

    assert (again, told) == (item, [])
    assert write(again) == line
    assert parse(f"{line}\n".encode())[0] == [item]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.lists(_WORDS | st.text(max_size=6), max_size=8).map(" ".join))
def test_any_line_becomes_a_task_that_can_be_stored_and_stays_what_it_is(line: str) -> None:
    for item in parse(line.encode("utf-8", "replace"))[0]:
        TaskCreate.model_validate({"title": item.title, "description": item.description, "labels": [*item.labels]})
        assert parse_line(write(item))[0] == item
        assert item.uuid is None or UUID(item.uuid)
