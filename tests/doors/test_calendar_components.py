"""What a task becomes in a calendar: read back with the package's own parser, line by line held to RFC 5545."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from icalendar import Calendar, Component

from doors.calendar import components, rendered
from doors.calendar.rendered import Rendered
from tasks.queries.calendars import Feed
from tests.doors.addresses import calendar
from tests.support.people import Person
from tests.support.postgres.databases import connect

KINDS = ("todo", "event")
DUE = datetime(2027, 3, 21, 1, 30, tzinfo=UTC)


async def _shown(person: Person, client: httpx.AsyncClient, kind: str = "todo") -> list[Component]:
    """Return the components of a calendar that has everything of theirs, once its text is found to be sound."""
    response = await client.get(await calendar(person, **{"as": kind}))
    assert response.status_code == 200, response.text
    content = response.content
    assert content.endswith(b"\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert [line.decode() for line in lines]  # no character is cut
    parsed = Calendar.from_ical(content)
    assert not parsed.errors
    assert (parsed["version"], parsed["x-wr-calname"]) == ("2.0", "Tasks")
    found = [part for part in parsed.walk() if part.name in ("VTODO", "VEVENT")]
    for part in found:
        assert not part.errors
        assert {"UID", "DTSTAMP"} <= part.keys()
        for moment in ("DTSTART", "DUE"):
            if zone := moment in part and part[moment].params.get("TZID"):
                assert zone in [block["tzid"] for block in parsed.walk("VTIMEZONE")]
    return found


async def test_every_member_of_a_task_has_its_property(alice: Person, client: httpx.AsyncClient) -> None:
    above = await alice.task("above")
    task = await alice.task(
        "Büro, morgen; 日本語 " * 10,
        description="two\r\nlines, a \\ and a ; and a tab\t" + "ü" * 100,
        priority="urgent",
        labels=["a,b", "c;d"],
        starts_on="2027-03-20",
        due_at=DUE.isoformat(),
        parent_id=above["id"],
        reminders=[{"minutes_before": 30}, {"at": "2027-03-01T08:00:00Z"}],
    )
    shown = next(part for part in await _shown(alice, client) if part["uid"] == task["id"])
    assert shown["summary"] == task["title"]
    assert shown["description"] == task["description"].replace("\r\n", "\n")
    assert (shown["priority"], shown["status"], shown["sequence"]) == (1, "NEEDS-ACTION", 0)
    assert [str(label) for label in shown["categories"].cats] == ["a,b", "c;d"]
    assert (shown.decoded("due"), shown.decoded("dtstart")) == (DUE, datetime(2027, 3, 20, tzinfo=UTC))
    assert shown["related-to"] == above["id"]
    assert shown.decoded("created") == datetime.fromisoformat(task["created_at"]).replace(microsecond=0)
    before, at = shown.walk("VALARM")
    assert (before.decoded("trigger"), before["trigger"].params["RELATED"]) == (timedelta(minutes=-30), "END")
    assert at.decoded("trigger") == datetime(2027, 3, 1, 8, tzinfo=UTC)
    assert {alarm["action"] for alarm in (before, at)} == {"DISPLAY"}


async def test_a_completed_task_says_so_for_a_month(alice: Person, client: httpx.AsyncClient) -> None:
    done, old = await alice.task("done", due_on="2027-03-20"), await alice.task("old", due_on="2027-03-20")
    for task in (done, old):
        await alice.http.post(f"/v1/tasks/{task['id']}/complete")
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE tasks SET completed_at = now() - interval '31 days' WHERE id = %s", [old["id"]])
    (todo,) = await _shown(alice, client)
    assert (todo["uid"], todo["status"], todo["percent-complete"]) == (done["id"], "COMPLETED", 100)
    assert todo.decoded("completed").tzinfo is not None
    assert todo.decoded("due") == date(2027, 3, 20)
    (event,) = await _shown(alice, client, "event")
    assert event["summary"] == "✓ done"


async def test_events_are_what_is_due_and_leave_their_owner_free(alice: Person, client: httpx.AsyncClient) -> None:
    await alice.task("never")
    await alice.task("day", due_on="2027-03-20")
    await alice.task("moment", due_at=DUE.isoformat(), reminders=[{"minutes_before": 10}])
    day, moment = sorted(await _shown(alice, client, "event"), key=lambda event: str(event["summary"]))
    assert (day.decoded("dtstart"), day.decoded("dtend")) == (date(2027, 3, 20), date(2027, 3, 21))
    assert (moment.decoded("dtstart"), moment["transp"]) == (DUE, "TRANSPARENT")
    assert moment.walk("VALARM")[0]["trigger"].params["RELATED"] == "START"


async def test_a_start_after_the_due_is_left_out(alice: Person, client: httpx.AsyncClient) -> None:
    await alice.task(starts_on="2027-03-22", due_on="2027-03-21")
    (todo,) = await _shown(alice, client)
    assert "DTSTART" not in todo


# --- Series -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_series_keeps_its_clock_where_there_is_no_such_hour(
    alice: Person, client: httpx.AsyncClient, kind: str
) -> None:
    """Sundays at half past two in Berlin, of which 28 March 2027 has none: shown as the series means it."""
    rule = {"rule": "FREQ=WEEKLY;COUNT=4", "timezone": "Europe/Berlin"}
    task = await alice.task(due_at=DUE.isoformat(), recurrence=rule)
    (shown,) = await _shown(alice, client, kind)
    assert shown.decoded("dtstart") == datetime(2027, 3, 21, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert shown["rrule"].to_ical() == b"FREQ=WEEKLY;COUNT=4"

    done = await alice.http.post(f"/v1/tasks/{task['id']}/complete", json={"occurrence": task["occurrence"]})
    assert done.json()["due_at"].startswith("2027-03-28T01:30")
    shown = next(part for part in await _shown(alice, client, kind) if "RRULE" in part)
    assert shown["dtstart"].to_ical() == b"20270328T023000"
    assert shown["rrule"].to_ical() == b"FREQ=WEEKLY;COUNT=3"


async def test_a_postponed_occurrence_is_an_exception(alice: Person, client: httpx.AsyncClient) -> None:
    task = await alice.task(due_on="2027-03-21", recurrence={"rule": "FREQ=DAILY;INTERVAL=2"})
    await alice.http.patch(f"/v1/tasks/{task['id']}", json={"due_on": "2027-03-22"})
    master, moved = await _shown(alice, client)
    assert (master["uid"], master.decoded("dtstart"), master.decoded("due")) == (moved["uid"], *[date(2027, 3, 21)] * 2)
    assert (moved.decoded("recurrence-id"), moved.decoded("due")) == (date(2027, 3, 21), date(2027, 3, 22))
    assert "RRULE" not in moved


async def test_what_counts_from_completion_shows_no_days_that_nobody_knows(
    alice: Person, client: httpx.AsyncClient
) -> None:
    await alice.task(due_on="2027-03-21", recurrence={"rule": "FREQ=DAILY", "from": "completion"})
    (todo,) = await _shown(alice, client)
    assert "RRULE" not in todo
    assert todo.decoded("due") == date(2027, 3, 21)


async def test_a_series_in_utc_needs_no_time_zone(alice: Person, client: httpx.AsyncClient) -> None:
    rule = {"rule": "FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20271231T000000Z", "timezone": "UTC"}
    await alice.task(due_at=DUE.isoformat(), recurrence=rule)
    (todo,) = await _shown(alice, client)
    assert todo["dtstart"].to_ical() == b"20270321T013000Z"
    assert todo["rrule"].to_ical() == b"FREQ=MONTHLY;UNTIL=20271231T000000Z;BYDAY=-1SU"


# --- Odd ones ---------------------------------------------------------------------------------------

HOSTILE = ["BEGIN:VEVENT", "a\u2028b", "x" * 255, "👩‍👩‍👧" * 30, '\\n;,:"', "END:VCALENDAR", "ü" * 255]


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_in_a_text_breaks_out_of_it(alice: Person, client: httpx.AsyncClient, kind: str) -> None:
    made = [
        (
            await alice.http.post(
                "/v1/tasks", json={"title": text, "description": f"{text}\r\nEND:VTODO\n\r", "due_on": "2027-01-01"}
            )
        )
        for text in HOSTILE
    ]
    titles = sorted(answer.json()["title"] for answer in made if answer.status_code == 201)
    assert len(titles) >= 6
    assert sorted(str(part["summary"]) for part in await _shown(alice, client, kind)) == titles


@pytest.mark.parametrize(
    "due", [{"due_on": "0001-01-02"}, {"due_on": "9999-12-30"}, {"due_at": "0001-01-02T00:00:00Z"}]
)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_first_and_the_last_day_are_shown(
    alice: Person, client: httpx.AsyncClient, kind: str, due: dict[str, str]
) -> None:
    await alice.task(**due)
    assert len(await _shown(alice, client, kind)) == 1


def test_what_is_kept_is_bounded_and_by_content() -> None:
    kept = Rendered(most_bytes=10)
    feed = Feed("", "todos", "", "UTC", [])
    first, second = components.Part(b"x" * 5, None), components.Part(b"y" * 5, None)
    one, other = rendered.key(feed, b"a"), rendered.key(feed, b"b")
    kept.keep(one, first)
    assert kept.get(one) == first
    elsewhere = (feed._replace(kind="events"), feed._replace(timezone="Europe/Berlin"))
    assert [kept.get(key) for key in (*(rendered.key(each, b"a") for each in elsewhere), other)] == [None] * 3
    kept.keep(other, second)
    assert (kept.get(one), kept.get(other), kept.bytes) == (None, second, 6)
    kept.keep(rendered.key(feed, b"c"), components.Part(b"z" * 10, None))
    assert kept.bytes == 6


@pytest.mark.parametrize("name", ["a\nBEGIN:VEVENT", "a\rb", "a\r\nb", "a;b,c\\n"])
def test_name_of_a_calendar_is_one_text_whatever_it_holds(name: str) -> None:
    content = components.calendar(name, [])

    assert re.findall(rb"\r(?!\n)|(?<!\r)\n", content) == []
    (read,) = Calendar.from_ical(content).walk("VCALENDAR")
    # The package leaves escapes of what it does not know as they are (RFC 5545, section 3.3.11).
    escaped = name.replace("\\", "\\\\").replace(";", r"\;").replace(",", r"\,")
    assert str(read["NAME"]) == re.sub(r"\r\n|\r|\n", r"\\n", escaped)
