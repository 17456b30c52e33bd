"""Search in titles and descriptions."""

# ruff: noqa: RUF001 -- letters of other scripts are the point

import urllib.parse

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
    "'; DROP TABLE tasks; --",
    "a:*",
    "a & !b",
    "a'b",
    '"a',
    "a%",
    "$$a$$",
    "a\\",
    '-"a" b',
    "a -'",
    "🐄",
    "x" * 200,
]


@pytest.mark.parametrize("q", [*NASTY, "𝒳" * 200, "\ufdfa" * 200, "a " * 100, "a -b " * 40, '"a b" ' * 33, "京" * 200])
async def test_nothing_typed_is_an_error(alice: Person, q: str) -> None:
    await alice.task("something")

    assert await found(alice, q) == []


@pytest.mark.parametrize(
    "q",
    [
        "!!",
        "& | ! :* <-> ( )",
        "'",
        "\\",
        ":*",
        '"',
        '""',
        "%",
        "-",
        "--",
        " ",
        "\u00a0",
        "\u200b",
        "\u0301",
        "++",
        "# +",
        "-shoes",
        '-"running shoes" -x',
    ],
)
async def test_query_without_anything_to_search_for_is_told_so(alice: Person, q: str) -> None:
    """Also to somebody who has no tasks, and whatever the other filters are."""
    for query in ({}, {"include": "total"}, {"priority": "high", "sort": "due"}):
        problem = assert_problem(await alice.http.get("/v1/tasks", params={"q": q, **query}), 422)
        assert problem["errors"][0]["parameter"] == "q"
        assert "nothing in this to search for" in problem["detail"]


async def test_query_is_bounded(alice: Person) -> None:
    assert_problem(await alice.http.get("/v1/tasks?q="), 422)
    assert_problem(await alice.http.get("/v1/tasks?q=" + "x" * 201), 422)
    assert_problem(await alice.http.get("/v1/tasks?q=%00"), 400)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
async def test_any_text_can_be_stored_and_asked_for(alice: Person, text: str) -> None:
    """Whatever it is, a task is found by its whole text, if there is anything in it to search for."""
    text = text.replace("-", " ") or "x"
    task = await alice.task("Title", description=text)

    response = await alice.http.get("/v1/tasks?" + urllib.parse.urlencode({"q": text}))

    if response.status_code == 422:
        assert not any(character.isalnum() for character in text)
        return
    assert response.status_code == 200, response.text
    assert task["id"] in [item["id"] for item in response.json()["items"]]


async def test_longest_description_is_indexed(alice: Person) -> None:
    text = " ".join(f"{number:x}" for number in range(2100))[:10_000]

    await alice.task("long", description=text)
    await alice.task("longest word", description="é" * 10_000)

    assert await found(alice, "7cf") == ["long"]


# --- Accents, width, and scripts without spaces ---------------------------------------------------


@pytest.mark.parametrize(
    ("title", "queries", "others"),
    [
        ("Zażółć gęślą jaźń", ["zazolc", "gesla jazn", "ZAŻÓŁĆ", "Zażółć", "zażol"], ["zazolcx", "gesly"]),
        ("Straße, Gruß", ["strasse", "STRASSE", "straße", "STRAẞE", "gruss", "strass"], ["strase"]),
        ("Café crème", ["cafe", "café", "CAFE\u0301", "creme"], []),
        ("Smørrebrød på Ærø", ["smorrebrod", "pa", "aero", "ærø"], []),
        ("İstanbul ılık", ["istanbul", "ISTANBUL", "ilik", "ılık"], []),
        ("Đà Nẵng, Þingvellir", ["da nang", "thingvellir", "Đà"], []),
        ("ＦＵＬＬ　ｗｉｄｔｈ １２３", ["full width", "123", "ｆｕｌｌ"], []),
        ("ﾊﾝｶｸ ｶﾞｷﾞ", ["ハンカク", "ガギ", "ﾝｶ"], ["カキ"]),
        ("Ελληνικός λόγος", ["ελληνικος", "ΛΟΓΟΣ", "λογος"], []),
        ("Ёлка и йогурт", ["елка", "ёлка", "иогурт"], []),
        ("مُحَمَّد كتاب", ["محمد", "كتاب"], []),
        ("می‌خواهم", ["میخواهم"], []),
        ("שָׁלוֹם עולם", ["שלום"], []),
        ("co\u00adoperate zero\u200bwidth", ["cooperate", "zerowidth"], []),
        (
            "東京タワーに行く",
            ["タワー", "京タ", "東京", "行く", "東京タワーに行く", "東", "く", "京タワーに"],
            ["京都", "タ行", "行東"],
        ),
        ("东京塔 iPhone15を買う", ["iphone", "を買", "iPhone15を買う", "塔"], ["を買わ"]),
        ("한국어 공부하기", ["한국", "국어", "공부", "부하기", "한국어 공부"], ["국공", "한어"]),
        ("กินข้าวเที่ยง", ["ข้าว", "กิน", "เที่ยง", "นข้"], ["ข้าวต้ม"]),
        ("ຫຼິ້ນກິລາ ភាសាខ្មែរ မြန်မာ", ["ກິລາ", "ខ្មែរ", "မြန်"], []),
        ("3月5日に会議", ["会議", "3月", "5日", "月5"], ["4月"]),
    ],
)
async def test_words_are_found_however_they_are_written(
    alice: Person, title: str, queries: list[str], others: list[str]
) -> None:
    await alice.task("something else 別の物")
    await alice.task(title)

    for q in queries:
        assert await found(alice, q) == [title], q
    for q in others:
        assert await found(alice, q) == [], q


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("running -shoes", ["running late"]),
        ("running shoes", ["running shoes", "shoes for running"]),
        ('"running shoes"', ["running shoes"]),
        ("“running shoes”", ["running shoes"]),
        ('"RUNNING  Shoes"', ["running shoes"]),
        ('"running sho"', []),
        ('"running sho', ["running shoes", "shoes for running"]),  # still being typed
        ('shoes -"running shoes"', ["shoes for running"]),
        ("-shoes running", ["running late"]),
        ("running -sho", ["running late", "running shoes", "shoes for running"]),  # what is excluded is whole
        ("e-mail", ["e-mail to Eve"]),
        ("mail -e-mail", ["mail to Eve"]),
        ("C++", ["learn C++"]),
        ("c", ["learn C", "learn C#", "learn C++"]),
        ("learn -c++", ["learn C", "learn C#"]),
        ("C#", ["learn C#"]),
        ("learn c+", ["learn C++"]),
        ("🎉", ["party 🎉🎈"]),
        ("🎈 party", ["party 🎉🎈"]),
        ("🎂", []),
        ("party -🎈", []),
        ("👍", ["👍🏽 done"]),
        ("€", ["10 € each"]),
        ("会議 -東京", ["大阪で会議"]),
        ("会議 -東京で", ["大阪で会議"]),
        ('"東京で会議"', ["東京で会議"]),
        ("--- running - shoes", ["running shoes", "shoes for running"]),
    ],
)
async def test_phrases_exclusions_and_signs(alice: Person, q: str, expected: list[str]) -> None:
    for title in ("running shoes", "shoes for running", "running late", "e-mail to Eve", "mail to Eve", "learn C++"):
        await alice.task(title)
    for title in ("learn C", "learn C#", "party 🎉🎈", "👍🏽 done", "10 € each", "東京で会議", "大阪で会議"):
        await alice.task(title)

    assert sorted(await found(alice, q)) == sorted(expected)


async def test_phrase_does_not_go_on_from_the_title_into_the_description(alice: Person) -> None:
    await alice.task("running", description="shoes and socks")

    assert await found(alice, "running shoes") == ["running"]
    assert await found(alice, '"running shoes"') == []
    assert await found(alice, '"shoes and"') == ["running"]


async def test_labels_are_searched_too(alice: Person) -> None:
    await alice.task("Milk", labels=["Einkäufe", "at home", "緊急対応"])
    await alice.task("Bread", labels=["home office"])

    assert await found(alice, "einkaufe milk") == ["Milk"]
    assert sorted(await found(alice, "home")) == ["Bread", "Milk"]
    assert await found(alice, '"at home"') == ["Milk"]
    assert await found(alice, '"home 緊急"') == []
    assert await found(alice, "急対応") == ["Milk"]
    assert await found(alice, "home -office") == ["Milk"]
    assert await found(alice, 'milk -"at home"') == []
