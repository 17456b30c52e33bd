"""The admin without a mouse: whatever a click opens, a key opens, too, and what has the focus is seen."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import add_task, log_in, register, visit
from tests.support.processes.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_FOCUS = "document.activeElement"
_OUTLINE = f"getComputedStyle({_FOCUS}).outlineStyle"


def test_everything_is_reached_by_keys(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(use_keys, server).result()


def use_keys(server: Server) -> None:
    word = f"w{uuid.uuid4().hex[:8]}"
    with register(server, f"keys-{uuid.uuid4().hex}@example.com") as owner:
        add_task(owner, f"Mend {word}")
        add_task(owner, f"Mended {word}", done=True)
    with visit(server) as visitor:
        page = log_in(visitor, server)
        visitor.open(f"/admin/tasks/task/?q={word}&deleted=all")
        tab_to(page, f"{_FOCUS}.textContent.trim().startsWith('Filters')")
        page.keyboard.press("Enter")
        expect(page.locator("#filter-form")).to_be_visible()
        page.keyboard.press("Escape")
        tab_to(page, f"{_FOCUS}.matches('input[type=checkbox][name$=is_completed]')")
        assert page.evaluate(_OUTLINE) != "none"
        tab_to(
            page, "document.activeElement.matches('[role=button]') && /staff@/.test(document.activeElement.textContent)"
        )
        page.keyboard.press("Enter")
        expect(page.get_by_text("Log out")).to_be_visible()
        tab_to(page, f"{_FOCUS}.matches('button') && /Log out/.test({_FOCUS}.textContent)")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/admin/log(out|in)/"))


def tab_to(page: Page, condition: str) -> None:
    """Press the tab key until what is meant has the focus."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            return
    pytest.fail(f"no key reaches it: {condition}")
