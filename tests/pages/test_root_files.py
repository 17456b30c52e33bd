"""What browsers and crawlers ask for unasked."""

import pytest
from django.test import Client

pytestmark = pytest.mark.usefixtures("orm")


def test_browser_that_looks_for_an_icon_finds_it() -> None:
    answer = Client().get("/favicon.ico")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert answer.content.startswith(b"<svg")
    assert "max-age" in answer.headers["Cache-Control"]


def test_crawlers_are_kept_from_the_api_and_the_admin() -> None:
    answer = Client().get("/robots.txt")

    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = answer.content.decode().splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /v1/", "Disallow: /admin/"} <= set(lines)
    assert "Disallow: /" not in lines
    assert not any(line.startswith("Disallow: /docs") for line in lines)
