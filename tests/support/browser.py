"""A real browser on a real server: visits, and all that a visit ought not to show."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.people import header_at
from tests.support.processes.servers import Server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (  # a browser of a test phones nobody
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
expect.set_options(timeout=15_000)  # the machine of a test run is a busy one


@contextmanager
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = f"NO BROWSER: none of {', '.join(BROWSERS)} is installed, so the pages are not tried in one"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


class Visit:
    """A page, and everything about its visit that ought not to be."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"elsewhere: {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def look(self, name: str = "") -> None:
        """Look for barriers and for a page wider than its window; keep a picture under `name`."""
        for violation in Axe().run(self.page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                self.complaints += [f"axe {violation['id']}: {node['html']}" for node in violation["nodes"]]
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.complaints.append(f"wider than its window: {self.page.url}")
        if name:
            self.keep(name)

    def keep(self, name: str) -> None:
        """Keep a picture of the page, where pictures are wanted."""
        if folder := os.environ.get("PICTURES"):
            self.page.wait_for_load_state("networkidle")
            self.page.mouse.move(0, 0)
            self.page.wait_for_timeout(300)  # whatever fades in has done so
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@contextmanager
def visit(server: Server, **options: Any) -> Iterator[Visit]:
    """Open a browser and close it again; fail for anything it complained about."""
    with browser() as opened:
        context = opened.new_context(**{"viewport": {"width": 1280, "height": 720}, **options})
        context.set_default_timeout(15_000)
        visit = Visit(context, server.url)
        yield visit
        assert not visit.complaints, "\n".join(visit.complaints)


def log_in(visit: Visit, server: Server) -> Page:
    page = visit.open("/admin/")
    email, password = server.staff
    page.fill("#id_username", email)
    page.fill("#id_password", password)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")
    return page


def register(server: Server, email: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=header_at(server.url, email=email))


def add_task(client: httpx.Client, title: str, *, done: bool = False, gone: bool = False, **fields: Any) -> None:
    task = client.post("/v1/tasks", json={"title": title, **fields})
    assert task.status_code == 201, task.text
    address = f"/v1/tasks/{task.json()['id']}"
    if done:
        client.post(f"{address}/complete").raise_for_status()
    if gone:
        client.delete(address).raise_for_status()
