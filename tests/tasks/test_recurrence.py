"""Series: the days of a rule, held against python-dateutil, and the clock around them."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from types import FrameType
from typing import Any

import pytest
from dateutil.rrule import rrulestr

from tasks.recurrence import Due, Occurrence, Series, budget, rules, written
from tasks.recurrence.days import days
from tasks.recurrence.rules import RuleRefused

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no rule be refused for its time: where coverage is counted, all takes several times as long."""
    monkeypatch.setattr(budget, "_RULE_SECONDS", 10.0)


def made_up(chance: random.Random) -> str:
    """Return a rule of any kind that dateutil reads as RFC 5545 does: it intersects MO with 2TU, and we unite them."""
    frequency = chance.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = [f"FREQ={frequency}"]
    if chance.random() < 0.6:
        parts.append(f"INTERVAL={chance.choice([1, 2, 3, 4, 5, 7, 12, 13])}")
    if chance.random() < 0.5:
        numbered = frequency in ("MONTHLY", "YEARLY") and chance.random() < 0.5
        number = str(chance.choice([1, 2, 3, 4, 5, -1, -2, -5])) if numbered else ""
        days = chance.sample(WEEKDAYS, chance.randint(1, 3))
        parts.append("BYDAY=" + ",".join(number + day for day in days))
    if frequency != "WEEKLY" and chance.random() < 0.4:
        numbers = chance.sample([1, 13, 28, 29, 30, 31, -1, -2, -31], chance.randint(1, 3))
        parts.append("BYMONTHDAY=" + ",".join(map(str, numbers)))
    if chance.random() < 0.35:
        parts.append("BYMONTH=" + ",".join(map(str, chance.sample(range(1, 13), chance.randint(1, 3)))))
    if frequency in ("MONTHLY", "YEARLY") and any(part.startswith("BY") for part in parts) and chance.random() < 0.3:
        parts.append(f"BYSETPOS={chance.choice([1, 2, 3, -1, -2, -3])}")
    if chance.random() < 0.3:
        parts.append(f"WKST={chance.choice(WEEKDAYS)}")
    return ";".join(parts)


class TakesTooLong(Exception):
    """The oracle walks until the year 9999 where a rule has no more days."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise TakesTooLong

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def of_dateutil(text: str, anchor: date, last: date) -> list[date]:
    found: list[date] = []
    for moment in rrulestr(text, dtstart=datetime(anchor.year, anchor.month, anchor.day)):  # noqa: DTZ001 -- a day
        if moment.date() > last:
            break
        found.append(moment.date())
    return found


def test_days_are_those_of_dateutil() -> None:
    chance, compared = random.Random(5), 0
    for _ in range(400):
        text, anchor = made_up(chance), date(2020, 1, 1) + timedelta(chance.randint(0, 2000))
        last = anchor + timedelta(1500)
        try:
            with at_most(0.2):
                expected = of_dateutil(text, anchor, last)
        except (TakesTooLong, IndexError):  # the latter a defect of its own, where a month has no 53rd Monday
            continue
        rule, after = rules.parse(text), anchor + timedelta(chance.randint(0, 900))
        assert [*days(rule, anchor, anchor - timedelta(1), last)] == expected, (text, anchor)
        assert [*days(rule, anchor, after, last)] == [day for day in expected if day > after], (text, anchor)
        compared += 1
    assert compared > 250


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2,4;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=31",
        "FREQ=YEARLY;BYDAY=MO;BYSETPOS=366",
        "FREQ=WEEKLY;BYMONTH=2;BYDAY=MO;BYSETPOS=7",
        "FREQ=YEARLY;INTERVAL=999",
        "FREQ=YEARLY;INTERVAL=51",
        "FREQ=MONTHLY;INTERVAL=999;BYMONTHDAY=2",
        "FREQ=YEARLY;INTERVAL=997;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    ],
)
def test_rule_without_a_next_day_is_found_out_soon(text: str) -> None:
    started = time.process_time()

    assert not Series.of(text, "UTC", date(2025, 3, 3)).goes_on

    assert time.process_time() - started < 1, "the oracle takes seconds; this is milliseconds"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BYDAY=MO",
        "FREQ=HOURLY",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=1000",
        "FREQ=DAILY;COUNT=1000",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=20270231",
        "FREQ=DAILY;UNTIL=20270101T120000",
        "FREQ=DAILY;BYHOUR=3",
        "FREQ=DAILY;BYSETPOS=2;BYMONTH=1",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=WEEKLY;BYMONTHDAY=3",
        "FREQ=WEEKLY;WKST=SO",
        "FREQ=YEARLY;BYMONTH=JAN",
        "FREQ=YEARLY;BYMONTH=-1",
        "FREQ=YEARLY;BYMONTH=0",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=MONTHLY;BYDAY=54MO",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=-32",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-367",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=DAILY;",
        "RRULE:FREQ=DAILY",
        "FREQ=DAILY;BYMONTH=" + ",".join(["1"] * 400),
        "FREQ=DAİLY",
    ],
)
def test_what_is_no_rule_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(RuleRefused, match=r"[A-Z].*\.$"):
        rules.parse(text)


def followed(text: str, timezone: str, due: Due, times: int, **more: Any) -> list[str]:
    """Complete each occurrence the moment it is due; return the dues, in the series' own clock."""
    series, present = Series.of(text, timezone, due, **more), Occurrence(due, 1)
    found = []
    for _ in range(times):
        found.append(present)
        following = series.after(present, noon(present.due))
        if following is None:
            break
        present = following
    return [str(each.due.astimezone(series.timezone) if isinstance(each.due, datetime) else each.due) for each in found]


def noon(due: Due) -> datetime:
    return due if isinstance(due, datetime) else datetime(due.year, due.month, due.day, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_hour_that_does_not_exist_is_moved_that_once() -> None:
    assert followed("FREQ=WEEKLY;BYDAY=SU", "Europe/Berlin", at("2027-03-21T02:30+01:00"), 3) == [
        "2027-03-21 02:30:00+01:00",
        "2027-03-28 03:30:00+02:00",
        "2027-04-04 02:30:00+02:00",
    ]


def test_hour_that_comes_twice_is_the_first() -> None:
    assert followed("FREQ=DAILY", "Europe/Berlin", at("2026-10-24T02:30+02:00"), 3) == [
        "2026-10-24 02:30:00+02:00",
        "2026-10-25 02:30:00+02:00",
        "2026-10-26 02:30:00+01:00",
    ]


@pytest.mark.parametrize(
    ("timezone", "first", "second", "third"),
    [
        # Midnight that does not exist.
        ("America/Santiago", "2026-09-05 00:00:00-04:00", "2026-09-06 01:00:00-03:00", "2026-09-07 00:00:00-03:00"),
        ("Asia/Beirut", "2026-03-28 00:00:00+02:00", "2026-03-29 01:00:00+03:00", "2026-03-30 00:00:00+03:00"),
        ("America/Havana", "2026-03-07 00:00:00-05:00", "2026-03-08 01:00:00-04:00", "2026-03-09 00:00:00-04:00"),
        ("Africa/Cairo", "2026-04-23 00:00:00+02:00", "2026-04-24 01:00:00+03:00", "2026-04-25 00:00:00+03:00"),
        # Midnight that comes twice: the first.
        ("America/Havana", "2026-10-31 00:00:00-04:00", "2026-11-01 00:00:00-04:00", "2026-11-02 00:00:00-05:00"),
        # The evening before the change.
        ("America/New_York", "2026-03-07 23:30:00-05:00", "2026-03-08 23:30:00-04:00", "2026-03-09 23:30:00-04:00"),
        ("America/New_York", "2026-10-31 23:30:00-04:00", "2026-11-01 23:30:00-05:00", "2026-11-02 23:30:00-05:00"),
        # A change by half an hour, and one of a quarter.
        ("Australia/Lord_Howe", "2026-10-03 02:15:00+10:30", "2026-10-04 02:45:00+11:00", "2026-10-05 02:15:00+11:00"),
        ("Pacific/Chatham", "2026-09-26 02:50:00+12:45", "2026-09-27 03:50:00+13:45", "2026-09-28 02:50:00+13:45"),
        ("Europe/Paris", "2026-03-28 23:30:00+01:00", "2026-03-29 23:30:00+02:00", "2026-03-30 23:30:00+02:00"),
        ("Pacific/Kiritimati", "2026-03-28 09:00:00+14:00", "2026-03-29 09:00:00+14:00", "2026-03-30 09:00:00+14:00"),
        ("Pacific/Tongatapu", "2026-03-28 00:30:00+13:00", "2026-03-29 00:30:00+13:00", "2026-03-30 00:30:00+13:00"),
        # A day that was left out: it falls on the next one, once.
        ("Pacific/Apia", "2011-12-29 10:00:00-10:00", "2011-12-31 10:00:00+14:00", "2012-01-01 10:00:00+14:00"),
    ],
)
def test_daily_task_keeps_its_time_of_day(timezone: str, first: str, second: str, third: str) -> None:
    assert followed("FREQ=DAILY", timezone, at(first), 3) == [first, second, third]


@pytest.mark.parametrize(
    ("text", "timezone", "dues"),
    [
        # A weekly one moves by no hour.
        (
            "FREQ=WEEKLY",
            "Europe/Berlin",
            ["2027-03-26 09:00:00+01:00", "2027-04-02 09:00:00+02:00", "2027-04-09 09:00:00+02:00"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU",
            "America/New_York",
            ["2026-10-25 01:30:00-04:00", "2026-11-08 01:30:00-05:00", "2026-11-22 01:30:00-05:00"],
        ),
        # The Friday that Apia has left out falls on Saturday.
        (
            "FREQ=WEEKLY",
            "Pacific/Apia",
            ["2011-12-23 10:00:00-10:00", "2011-12-31 10:00:00+14:00", "2012-01-06 10:00:00+14:00"],
        ),
        # What is moved onto another is that one, and counts once.
        (
            "FREQ=DAILY;COUNT=3",
            "Pacific/Apia",
            ["2011-12-29 10:00:00-10:00", "2011-12-31 10:00:00+14:00", "2012-01-01 10:00:00+14:00"],
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "America/Santiago",
            ["2026-08-31 00:00:00-04:00", "2026-09-30 00:00:00-03:00", "2026-10-31 00:00:00-03:00"],
        ),
    ],
)
def test_rules_keep_their_wall_clock(text: str, timezone: str, dues: list[str]) -> None:
    assert followed(text, timezone, at(dues[0]), 3) == dues


def test_day_that_a_zone_left_out_is_a_day_all_the_same() -> None:
    """What is due on a day is due on that day of the calendar, whoever slept through it."""
    assert followed("FREQ=DAILY", "Pacific/Apia", date(2011, 12, 29), 3) == ["2011-12-29", "2011-12-30", "2011-12-31"]


@pytest.mark.parametrize(
    ("zone", "done", "due", "next_day", "from_completion"),
    [
        # It is the 6th there already, or still the 4th.
        ("Pacific/Kiritimati", "2027-01-05T10:30+00:00", date(2027, 1, 5), "2027-01-06", "2027-01-07"),
        ("Pacific/Tongatapu", "2027-01-05T11:30+00:00", date(2027, 1, 5), "2027-01-06", "2027-01-07"),
        ("Pacific/Pago_Pago", "2027-01-05T10:30+00:00", date(2027, 1, 3), "2027-01-04", "2027-01-05"),
    ],
)
def test_day_of_completion_is_the_series_own(
    zone: str, done: str, due: date, next_day: str, from_completion: str
) -> None:
    for counts_from, expected in (("due", next_day), ("completion", from_completion)):
        series = Series.of("FREQ=DAILY", zone, due, counts_from)  # type: ignore[arg-type]  # words of a table
        following = series.after(Occurrence(due, 1), at(done))
        assert following is not None
        assert str(following.due) == expected


@pytest.mark.parametrize(
    ("text", "due", "dues"),
    [
        ("FREQ=MONTHLY", "2027-01-31", ["2027-01-31", "2027-03-31", "2027-05-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2027-01-31", ["2027-01-31", "2027-02-28", "2027-03-31"]),
        ("FREQ=YEARLY", "2024-02-29", ["2024-02-29", "2028-02-29", "2032-02-29"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2027-01-29", ["2027-01-29", "2027-02-26", "2027-03-31"]),
        ("FREQ=MONTHLY", "2027-01-30", ["2027-01-30", "2027-03-30", "2027-04-30"]),
        ("FREQ=MONTHLY", "2028-01-29", ["2028-01-29", "2028-02-29", "2028-03-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=29,-1", "2027-02-28", ["2027-02-28", "2027-03-29", "2027-03-31"]),
        ("FREQ=YEARLY", "2096-02-29", ["2096-02-29", "2104-02-29", "2108-02-29"]),  # 2100 has none
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", "2027-02-28", ["2027-02-28", "2028-02-29", "2029-02-28"]),
        ("FREQ=MONTHLY;BYDAY=MO,WE;BYSETPOS=2,-1", "2027-02-03", ["2027-02-03", "2027-02-24", "2027-03-03"]),
        ("FREQ=YEARLY;BYMONTH=1,12;BYDAY=FR;BYSETPOS=1", "2027-01-01", ["2027-01-01", "2028-01-07", "2029-01-05"]),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2027-01-01", ["2027-01-01", "2027-01-08", "2027-01-15"]),
        ("FREQ=MONTHLY;BYDAY=5MO", "2027-03-29", ["2027-03-29", "2027-05-31", "2027-08-30"]),
        ("FREQ=YEARLY;INTERVAL=999;COUNT=2", "2027-01-31", ["2027-01-31"]),  # the next is beyond the horizon
        ("FREQ=YEARLY;INTERVAL=999;UNTIL=99991230", "2027-01-31", ["2027-01-31"]),
        ("FREQ=YEARLY;INTERVAL=50", "2027-01-31", ["2027-01-31", "2077-01-31", "2127-01-31"]),
        ("FREQ=DAILY;UNTIL=20270131", "2027-01-31", ["2027-01-31"]),
        ("FREQ=DAILY;UNTIL=20260101", "2027-01-31", ["2027-01-31"]),  # it is over before it has begun
        ("FREQ=DAILY;COUNT=2", "2027-01-31", ["2027-01-31", "2027-02-01"]),
        ("FREQ=DAILY;COUNT=1", "2027-01-31", ["2027-01-31"]),
        ("FREQ=DAILY;UNTIL=20270201", "2027-01-31", ["2027-01-31", "2027-02-01"]),
        # The first occurrence is what the task was due at, whatever the rule says, and counts.
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=2", "2027-01-06", ["2027-01-06", "2027-01-11"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", "2027-01-04", ["2027-01-04", "2027-01-08", "2027-01-18"]),
    ],
)
def test_days_of_a_series(text: str, due: str, dues: list[str]) -> None:
    assert followed(text, "UTC", date.fromisoformat(due), 3) == dues


def test_until_of_instants_is_an_instant() -> None:
    text = "FREQ=DAILY;UNTIL=20270102T080000Z"

    assert len(followed(text, "Asia/Tokyo", at("2027-01-01T17:00+09:00"), 9)) == 2
    assert len(followed(text, "Asia/Tokyo", at("2027-01-01T17:01+09:00"), 9)) == 1
    # In Los Angeles it is the day before by then, and in the evening.
    for last, times in (("20270103T010000Z", 2), ("20270103T005959Z", 1)):
        assert (
            len(followed(f"FREQ=DAILY;UNTIL={last}", "America/Los_Angeles", at("2027-01-01T17:00-08:00"), 9)) == times
        )
    # The last is moved by a change of the clock to beyond the end, or to just at it.
    for last, times in (("20270328T012959Z", 1), ("20270328T013000Z", 2)):
        assert len(followed(f"FREQ=WEEKLY;UNTIL={last}", "Europe/Berlin", at("2027-03-21T02:30+01:00"), 9)) == times


def test_missed_days_need_one_tap_or_each_one() -> None:
    due, late = date(2027, 1, 6), at("2027-01-16T05:00+00:00")
    present = Occurrence(due, 1)

    assert Series.of("FREQ=DAILY;COUNT=99", "UTC", due).after(present, late) == Occurrence(date(2027, 1, 16), 11)
    assert getattr(Series.of("FREQ=DAILY", "UTC", due).after(present, late), "due", None) == date(2027, 1, 16)
    assert Series.of("FREQ=DAILY", "UTC", due, missed="keep").after(present, late) == Occurrence(date(2027, 1, 7), 2)
    assert Series.of("FREQ=DAILY;COUNT=5", "UTC", due).after(present, late) is None


def test_postponing_leaves_the_rhythm() -> None:
    """The present occurrence is what the rule gave, not what its due was changed to."""
    series = Series.of("FREQ=WEEKLY;INTERVAL=2", "UTC", date(2027, 1, 4))

    assert series.after(Occurrence(date(2027, 1, 4), 1), at("2027-01-09T10:00+00:00")) == Occurrence(
        date(2027, 1, 18), 2
    )


def test_from_completion_begins_on_that_day_at_the_anchors_time() -> None:
    zone, due = "America/New_York", at("2027-01-06T18:00-05:00")
    series = Series.of("FREQ=DAILY;INTERVAL=3", zone, due, counts_from="completion")

    # Completed late in the evening there, when it is the next day in UTC.
    following = series.after(Occurrence(due, 1), at("2027-01-10T23:30-05:00"))

    assert following == Occurrence(at("2027-01-13T18:00-05:00"), 2)


def test_from_completion_count_counts_completions() -> None:
    series = Series.of("FREQ=DAILY;COUNT=2", "UTC", date(2027, 1, 6), counts_from="completion")

    assert series.after(Occurrence(date(2027, 1, 6), 1), at("2027-03-01T00:00+00:00")) is not None
    assert series.after(Occurrence(date(2027, 3, 2), 2), at("2027-03-02T00:00+00:00")) is None


def test_what_comes_next_is_listed_from_the_present_one() -> None:
    due = date(2027, 1, 6)

    assert Series.of("FREQ=DAILY", "UTC", due).upcoming(Occurrence(due, 1), 3) == [
        date(2027, 1, 6),
        date(2027, 1, 7),
        date(2027, 1, 8),
    ]
    assert Series.of("FREQ=DAILY;COUNT=2", "UTC", due).upcoming(Occurrence(due, 1), 9) == [due, date(2027, 1, 7)]
    assert Series.of("FREQ=DAILY", "UTC", due, counts_from="completion").upcoming(Occurrence(due, 1), 9) == [due]


def test_calendar_ends_before_a_series_does() -> None:
    due = date(9999, 12, 29)
    series = Series.of("FREQ=DAILY", "UTC", due)

    assert series.after(Occurrence(due, 1), at("2027-01-01T00:00+00:00")) == Occurrence(date(9999, 12, 30), 2)
    assert series.after(Occurrence(date(9999, 12, 30), 2), at("2027-01-01T00:00+00:00")) is None


@pytest.mark.parametrize(
    "text", ["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=WEEKLY;BYMONTH=12;BYDAY=SU", "FREQ=MONTHLY", "FREQ=YEARLY"]
)
@pytest.mark.parametrize("timezone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_first_and_last_days_of_the_calendar_are_no_defect(text: str, timezone: str) -> None:
    late = at("2027-01-01T00:00+00:00")
    dues: tuple[Due, ...] = (date(9999, 12, 20), date(9999, 12, 30), date(1, 1, 2))
    for due in (*dues, at("9999-12-30T23:59+00:00"), at("9999-12-29T23:00+00:00"), at("0001-01-02T00:30+00:00")):
        for counts_from, missed in (("due", "keep"), ("due", "skip"), ("completion", "skip")):
            series = Series.of(text, timezone, due, counts_from, missed)  # type: ignore[arg-type]  # words of a table
            with suppress(RuleRefused):
                series.check()
            following = series.after(Occurrence(due, 1, series.day(due)), late)
            assert following is None or written(following.due) <= "9999-12-30T23:59:59.999999Z"
            assert series.upcoming(Occurrence(due, 1, series.day(due)), 100)[0] == due
