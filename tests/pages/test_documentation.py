"""The documentation that the product serves: four pages, one navigation, and Markdown that can hold no HTML."""

import re

import pytest
from django.test import Client

from todoproject.pages import markdown

PAGES = {"/docs/guide": "Guide", "/docs": "Reference", "/docs/errors": "Errors", "/docs/changelog": "Changelog"}


@pytest.fixture
def client() -> Client:
    return Client(headers={"Accept": "text/html"})


@pytest.mark.parametrize(("page", "title"), PAGES.items())
def test_each_page_leads_to_the_others_and_says_which_one_it_is(client: Client, page: str, title: str) -> None:
    text = client.get(page).content.decode()
    [navigation] = re.findall(r"<nav .*?</nav>", text, re.DOTALL)

    assert dict(re.findall(r'<a href="([^"]+)"[^>]*>(\w+)</a>', navigation)) == PAGES
    assert re.findall(r'aria-current="page">(\w+)<', navigation) == [title]


def test_one_error_keeps_the_navigation(client: Client) -> None:
    assert "<nav " in client.get("/docs/errors/not-found").content.decode()


@pytest.mark.parametrize("page", ["/docs/errors", "/docs/errors/invalid"])
def test_code_in_the_text_of_an_error_is_shown_as_code(client: Client, page: str) -> None:
    text = client.get(page).content.decode()

    assert "<code>errors</code> names each member" in text
    assert "`" not in text


def test_guide_shows_the_document_s_own_text(client: Client) -> None:
    text = client.get("/docs/guide").content.decode()

    assert "<strong>Authentication.</strong>" in text
    assert "ACCOUNT=&#x27;{&quot;email&quot;" in text
    assert "```" not in text
    assert "**" not in text


def test_changelog_is_the_one_of_the_release(client: Client) -> None:
    text = client.get("/docs/changelog").content.decode()

    assert '<h2 id="unreleased">' in text
    assert text.count("<li>") > 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# A `b` & c", '<h1 id="a-b--c">A <code>b</code> &amp; c</h1>'),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p>\n<p>three</p>"),
        ("- a\n  b\n- **c**", "<ul><li>a\n  b\n</li><li><strong>c</strong></li></ul>"),
        ("```sh\na <b>\n\n# c\n```\nd", '<pre tabindex="0"><code>a &lt;b&gt;\n\n# c\n</code></pre>\n<p>d</p>'),
        ("see [the `x`](/docs?a=1&b=2).", '<p>see <a href="/docs?a=1&amp;b=2">the <code>x</code></a>.</p>'),
        ("<script>alert(1)</script> **<b>** `<i>`", None),
        ('[x](javascript:"onclick=)', None),
    ],
)
def test_markdown_becomes_html_and_nothing_in_it_does(text: str, shown: str | None) -> None:
    found = markdown.html(text)

    assert shown is None or found == shown
    assert not re.search(r"<(script|b|i)>|\"on", found)
