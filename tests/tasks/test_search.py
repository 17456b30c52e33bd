"""Search in titles and descriptions."""

# ruff: noqa: RUF001 -- letters of other scripts are the point

import urllib.parse
from importlib import import_module

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_tasks import pages


async def found(person: Person, q: str, **query: str) -> list[str]:
    return [task["title"] for task in await pages(person.http, q=q, **query)]


@pytest.mark.parametrize(
    ("title", "queries", "others"),
    [
        (
            "Buy milk",
            ["milk", "MILK", "buy milk", "milk buy", "mil", "buy m", " milk ", "milk!"],
            ["mil buy", "milky", "ilk"],
        ),
        ("Café Ångström", ["café", "CAFÉ", "cafe\u0301", "ång", "ÅNGSTRÖM"], ["cafes"]),
        ("Привет мир", ["привет", "ПРИ", "мир"], ["вет"]),
        ("東京タワー", ["東京", "東京タワー"], ["大阪"]),
        ("ｆｕｌｌ ｗｉｄｔｈ", ["full", "width", "ＦＵＬＬ"], []),
        ("mail bob@example.com", ["bob", "example", "bob@example.com", "bob@exa"], ["alice@example.com"]),
        ("e-mail /var/log/x.txt", ["e-mail", "e-m", "mail", "var log", "x.txt", "/var/log"], ["etc"]),
        ("Version 3.14 of 2026-11-22", ["3.14", "3.1", "2026-11-22", "2026", "14"], ["3.15"]),
        ('it\'s "quoted" & <b>bold</b>', ["it's", "quoted", "bold", "s quoted"], ["italic"]),
        ("the and of", ["the", "and", "of"], ["if"]),
        ("100% sure: %s %(id)s", ["100%", "sure", "%(id)s"], ["101%"]),
        ("x" * 200, ["x" * 200, "x" * 60], ["y"]),
    ],
)
async def test_words_are_found(alice: Person, title: str, queries: list[str], others: list[str]) -> None:
    await alice.task("something else")
    await alice.task(title)

    for q in queries:
        assert await found(alice, q) == [title], q
    for q in others:
        assert await found(alice, q) == [], q


async def test_title_and_description_are_searched_together(alice: Person) -> None:
    await alice.task("Shopping", description="milk and\nbread")
    await alice.task("Milk")

    assert await found(alice, "shopping bread") == ["Shopping"]
    assert sorted(await found(alice, "milk")) == ["Milk", "Shopping"]


async def test_changed_text_is_found_by_its_new_words(alice: Person) -> None:
    task = await alice.task("old")

    await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "new", "description": "fresh"})

    assert [await found(alice, q) for q in ("old", "new", "fresh")] == [[], ["new"], ["new"]]


async def test_search_combines_with_filters_order_pages_and_total(alice: Person) -> None:
    for number in range(7):
        await alice.task(f"milk {number}", priority="high" if number % 2 else "low")
    await alice.task("bread", priority="high")

    listed = await pages(alice.http, q="milk", priority="high", sort="-title", limit=2)

    assert [task["title"] for task in listed] == ["milk 5", "milk 3", "milk 1"]
    page = (await alice.http.get("/v1/tasks?q=milk&priority=high&limit=1&include=total")).json()
    assert page["total"] == 3


async def test_search_sees_ones_own_tasks_only(alice: Person, charlie: Person) -> None:
    await alice.task("secret")

    assert await found(charlie, "secret") == []


async def test_owners_whose_words_look_alike_are_told_apart(alice: Person, bob: Person) -> None:
    """The index marks words with the end of the owner's id only; the function compares all of it."""
    await alice.task("secret")
    with connect() as connection:
        twin = bob.id[:-4] + alice.id[-4:]
        connection.execute(
            "INSERT INTO users (id, email, password, is_superuser, is_staff, is_active, timezone)"
            " VALUES (%s, %s, '', false, false, true, 'UTC')",
            [twin, f"{twin}@example.com"],
        )
        connection.execute("SELECT set_config('app.user_id', %s, true)", [twin])
        assert connection.execute("SELECT count(*) FROM search_tasks('secret')").fetchone() == (0,)
        connection.execute("SELECT set_config('app.user_id', %s, true)", [alice.id])
        assert connection.execute("SELECT count(*) FROM search_tasks('secret')").fetchone() == (1,)


NASTY = [
    "!!",
    "& | ! :* <-> ( )",
    "'",
    "''",
    "\\",
    "'; DROP TABLE tasks; --",
    ":*",
    "a:*",
    "a & !b",
    "a'b",
    '"',
    "%",
    "$$",
]


@pytest.mark.parametrize("q", [*NASTY, " ", "\u00a0", "🐄", "\u200b", "x" * 200, "𝒳" * 200, "\ufdfa" * 200, "a " * 100])
async def test_nothing_typed_is_an_error(alice: Person, q: str) -> None:
    await alice.task("something")

    assert await found(alice, q) in ([], ["something"])


async def test_query_without_a_word_finds_nothing(alice: Person) -> None:
    await alice.task("!!! ???")

    assert await found(alice, "!!!") == []


async def test_query_is_bounded(alice: Person) -> None:
    assert_problem(await alice.http.get("/v1/tasks?q="), 422)
    assert_problem(await alice.http.get("/v1/tasks?q=" + "x" * 201), 422)
    assert_problem(await alice.http.get("/v1/tasks?q=%00"), 400)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
async def test_any_text_can_be_stored_and_asked_for(alice: Person, text: str) -> None:
    """Whatever it is, a task is found by its whole text, if the text has a word at all."""
    task = await alice.task("Title", description=text)
    with connect() as connection:
        words = connection.execute("SELECT length(words(%s))", [text]).fetchone()

    response = await alice.http.get("/v1/tasks?" + urllib.parse.urlencode({"q": text}))

    assert response.status_code == 200, response.text
    assert (task["id"] in [item["id"] for item in response.json()["items"]]) == (words != (0,))


async def test_longest_description_is_indexed(alice: Person) -> None:
    text = " ".join(f"{number:x}" for number in range(2100))[:10_000]

    await alice.task("long", description=text)
    await alice.task("longest word", description="é" * 10_000)

    assert await found(alice, "7cf") == ["long"]


@given(
    title=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80),
    description=st.lists(
        st.sampled_from(["milk", "Milk", "x" * 49, "x" * 50, "x" * 51, "x" * 52, "a.b@c.de", "-", "<b>", "ﬁn", "\xa0"])
    ).map(" ".join),
)
@settings(max_examples=200, deadline=None)
@pytest.mark.django_db
def test_words_of_a_task_are_those_that_the_index_was_made_with(title: str, description: str) -> None:
    """The function has been written anew since, and what stands in an index must be what it says."""
    before = import_module("tasks.migrations.0003_search").TASK_WORDS.format(schema="pg_temp")
    before = before.replace("pg_temp.words", "todo.words").replace("pg_temp.owned_word", "todo.owned_word")
    with connect() as connection:
        connection.execute(before)
        row = connection.execute(
            "SELECT todo.task_words(owner, title, description), pg_temp.task_words(owner, title, description)"
            " FROM (VALUES ('01890a5d-ac96-774b-bcce-b302099a8057'::uuid, %s, %s)) AS task (owner, title, description)",
            [title, description],
        ).fetchone()
        connection.rollback()
    assert row is not None
    assert row[0] == row[1]
