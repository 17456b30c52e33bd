"""Todoist's language of filters: the part that is understood, and that the rest is refused."""

from datetime import UTC, datetime, timedelta

from tests.support.people import Person

FILTER = "/api/v1/tasks/filter"


FOUND = {
    "today": "today",
    "overdue": "past",
    "today | overdue": "past today",
    "Overdue | Today": "past today",
    "over due": "past",
    "od": "past",
    "tod | od": "past today",
    "tomorrow": "tomorrow",
    "tom": "tomorrow",
    "yesterday": "",
    "7 days": "today tomorrow",
    "no date": "never",
    "no due date": "never",
    "!no date & p1": "past",
    "!no due date": "past today tomorrow",
    "p1": "past",
    "(p1 | p2)": "past today",
    "p3": "tomorrow",
    "p4": "never",
    "no priority": "never",
    "@Errand": "today",
    "#home & !subtask": "tomorrow",
    "#inbox": "never past today",
    "#nowhere": "",
    "search: past": "past",
    "recurring": "",
    "!recurring": "never past today tomorrow",
    "due before: tomorrow": "past today",
    "due after: today": "tomorrow",
    "date: today": "today",
    "due: 2026-01-02": "",
    "all": "never past today tomorrow",
    "view all": "never past today tomorrow",
}
REFUSED = (
    *("today, overdue", "p1 | today", "!@a", "@a*", "/section", "##home"),
    *("assigned to: me", "p1 & p2", "((p1))", "&"),
)


async def test_a_filter_finds_what_it_says(alice: Person) -> None:
    home, today = await alice.list("Home"), datetime.now(UTC).date()
    await alice.task("past", due_on=str(today - timedelta(2)), priority="urgent")
    await alice.task("today", due_on=str(today), priority="high", labels=["errand"])
    await alice.task("tomorrow", due_on=str(today + timedelta(1)), priority="low", list_id=home["id"])
    await alice.task("never")

    for query, found in FOUND.items():
        page = await alice.http.get(FILTER, params={"query": query})
        assert page.status_code == 200, (query, page.text)
        assert sorted(task["content"] for task in page.json()["results"]) == found.split(), query


async def test_what_is_not_understood_is_refused(alice: Person) -> None:
    for query in REFUSED:
        refused = await alice.http.get(FILTER, params={"query": query})
        assert (refused.status_code, refused.json()["error_extra"]["errors"][0]["code"]) == (400, "filter"), query
