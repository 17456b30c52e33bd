"""The longest values that the columns allow, in every list and on the pages they lead to: nothing leaves the page."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from playwright.sync_api import Page

from tests.support.browser import Visit, add_task, log_in, register, visit
from tests.support.processes.commands import new_database, url
from tests.support.processes.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LISTS = ["tasks/task", "accounts/user", "accounts/accesstoken", "accounts/auditevent"]
PAGES = {"tasks/task": ("delete", "history"), "accounts/accesstoken": ("revoke",), "accounts/user": ()}
OUTSIDE = """() => [...document.querySelectorAll("#result_list th, #result_list td")].filter(cell => {
    const edge = document.querySelector("#result_list").closest("[data-simplebar]").getBoundingClientRect().right;
    return cell.getBoundingClientRect().right > edge + 1;
}).map(cell => cell.className.split(" ")[0] + " " + cell.textContent.trim().slice(0, 20))"""
WIDE_TABLES = "[...document.querySelectorAll('table.cut')].filter(it => it.offsetWidth > 1000).map(it => it.innerText)"
TIMES = """() => [...document.querySelectorAll("#result_list :is(.field-created, .field-at)")].filter(
    cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.textContent.trim())"""
CLIPPED = """() => [...document.querySelectorAll("#result_list td, #result_list th")].filter(
    cell => cell.offsetParent && cell.scrollHeight > cell.clientHeight + 2).map(cell => cell.className.split(" ")[0])"""
UNTOLD = """() => [...document.querySelectorAll("#result_list td, #result_list th")].filter(
    cell => cell.scrollWidth > cell.clientWidth && !cell.title).map(cell => cell.className.split(" ")[0])"""


def longest_email() -> str:
    start = f"{uuid.uuid4().hex}{'x' * 32}"
    return f"{start}@{'d' * 63}.{'e' * 63}.{'f' * 53}.example"


def test_long_values_stay_on_the_page(postgres: None, thread: ThreadPoolExecutor) -> None:
    with (
        new_database("longest") as name,
        Server(DATABASE_URL=url(name), FIRST_STAFF_EMAIL="staff@example.com", MIGRATE_ON_START="true") as server,
    ):
        thread.submit(look_at_long_values, server).result()


def look_at_long_values(server: Server) -> None:
    email, word = longest_email(), "Pneumonoultramicroscopicsilicovolcanoconiosis"
    with register(server, email) as owner:
        add_task(owner, (word * 6)[:255], due_on="2020-01-01", priority="urgent")
        token = {"name": "N" * 100, "scopes": ["tasks:read", "tasks:write", "account"]}
        made = owner.post("/v1/tokens", json=token | {"expires_at": "2099-12-28T12:36:00Z"}).json()
        httpx.get(f"{server.url}/v1/me", headers={"Authorization": f"Bearer {made['token']}"}).raise_for_status()
    httpx.post(f"{server.url}/v1/auth/login", json={"email": email, "password": "wrong"})
    for width, height in ((1280, 800), (390, 844)):
        with visit(server, viewport={"width": width, "height": height}) as visitor:
            log_in(visitor, server)
            for name in LISTS:
                page = visitor.open(f"/admin/{name}/")
                assert is_within(page), (name, width)
                assert page.evaluate(OUTSIDE if width == 1280 else CLIPPED) == [], (name, width)
                assert page.evaluate(TIMES) == [], (name, width)  # a time that is cut tells nothing
                assert page.evaluate(UNTOLD) == [], (name, width)
                visitor.keep(f"{name.replace('/', '-')}-{width}")
            follow(visitor, width)


def follow(visitor: Visit, width: int) -> None:
    """Open the first row of each list, and what is asked about it."""
    for name, more in (
        ("tasks/task", ("delete", "history")),
        ("accounts/accesstoken", ("revoke",)),
        ("accounts/user", ()),
    ):
        page = visitor.open(f"/admin/{name}/")
        address = page.locator("#result_list .data-row a[href*='/change/']").first.get_attribute("href")
        assert address is not None
        path = address.partition("?")[0]
        for page_name in ("change", *more):
            page = visitor.open(path.replace("/change/", f"/{page_name}/"))
            assert is_within(page), (name, page_name, width)
            assert (
                page.evaluate("[...document.querySelectorAll('table.cut')].filter(it => it.offsetWidth > 1000)") == []
            )
            visitor.keep(f"{name.replace('/', '-')}-{page_name}-{width}")


def is_within(page: Page) -> bool:
    """Tell whether the page is no wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
