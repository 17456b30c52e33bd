"""The example of a live client in two windows: what one does appears in the other within a second."""

import functools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser import Visit, browser
from tests.support.people import header_at
from tests.support.processes.servers import ROOT, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WITHIN = 1_000  # ms


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder's files as another origin than the API's, as an app would be."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as pages:
        Thread(target=pages.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{pages.server_address[1]}"
        pages.shutdown()


def test_what_one_window_does_appears_in_the_other(postgres: None, thread: ThreadPoolExecutor) -> None:
    """Over two workers, so that each window may be told by another one."""
    settings = {"STREAM_LIFETIME_SECONDS": "3600", "LIVE_POLL_SECONDS": "30", "BACKGROUND": "true"}
    with Server("--workers", "2", **settings) as server:
        thread.submit(two_windows, server).result()


def two_windows(server: Server) -> None:
    token = header_at(server.url)["Authorization"].removeprefix("Bearer ")
    with browser() as opened, served(ROOT / "docs" / "examples") as url:
        context = opened.new_context(viewport={"width": 720, "height": 640})
        one, other = (connected(context, url, server, token) for _ in range(2))
        for title in ("Milk", "Bread", "Eggs"):
            add(one, title)
            expect(titles(other)).to_contain_text([title], timeout=WITHIN)
        told_in_time(one, other, "Move up: Eggs", ["Milk", "Eggs", "Bread"])
        told_in_time(other, one, "Move down: Milk", ["Eggs", "Milk", "Bread"])
        told_in_time(other, one, "Complete: Milk", ["Eggs", "Bread"])
        look(context, url)

        server.stop()
        for page in (one, other):
            expect(page.get_by_role("status")).to_have_text("Waiting for the server …")
        server.start()
        for page in (one, other):
            expect(page.get_by_role("status")).to_have_text("Live.")
        told_in_time(one, other, "Complete: Bread", ["Eggs"])
        add(other, "Butter")
        expect(titles(one)).to_have_text(["Eggs", "Butter"], timeout=WITHIN)


def connected(context: BrowserContext, url: str, server: Server, token: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}/live.html")
    page.get_by_label("Server").fill(server.url)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("status")).to_have_text("Live.")
    return page


def add(page: Page, title: str) -> None:
    page.get_by_label("New task").fill(title)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("New task")).to_have_value("")  # it is acknowledged


def told_in_time(one: Page, other: Page, button: str, expected: list[str]) -> None:
    """Click in one window, and see the outcome in both; what is told within a second counts from the answer on."""
    with one.expect_response(lambda answer: "/v1/tasks/" in answer.url and answer.request.method == "POST"):
        one.get_by_role("button", name=button).click()
    began = time.monotonic()
    expect(titles(other)).to_have_text(expected, timeout=WITHIN)
    assert time.monotonic() - began <= WITHIN / 1000
    expect(titles(one)).to_have_text(expected)


def titles(page: Page) -> Any:
    return page.get_by_label("Tasks", exact=True).locator("li > span")


def look(context: BrowserContext, url: str) -> None:
    visit = Visit(context, url)
    visit.open("/live.html")
    visit.look("live")
    assert not visit.complaints, visit.complaints
