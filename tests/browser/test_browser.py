"""The admin and the documentation in a real browser, against a real server.

The pictures of the pages are made by this and tests/browser/test_browser_admin.py:
PICTURES=folder pytest tests/browser -k "see or documentation or look"
"""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Visit, add_task, log_in, register, visit
from tests.support.processes.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_staff_do_their_work_in_a_browser(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(staff_at_work, server).result()


def staff_at_work(server: Server) -> None:
    owner, title = f"owner-{uuid.uuid4().hex}@example.com", f"Water the plants {uuid.uuid4().hex[:8]}"
    register(server, owner).close()
    with visit(server) as visitor:
        page = log_in(visitor, server)
        expect(page.get_by_role("link", name="Access tokens").first).to_be_visible()
        visitor.open("/admin/accounts/user/")
        expect(page.get_by_role("link", name=owner)).to_be_visible()
        add_in_form(visitor, owner, title)
        complete_by_action(visitor, title)
        log_out(page)


def add_in_form(visitor: Visit, owner: str, title: str) -> None:
    page = visitor.open("/admin/tasks/task/add/")
    page.fill("#id_title", title)
    page.click(".field-user .select2-selection")
    page.fill(".select2-search__field", owner)
    page.click(f".select2-results__option:has-text('{owner}')")
    page.click("button[name=_save]")
    expect(page.get_by_text("was added successfully")).to_be_visible()


def complete_by_action(visitor: Visit, title: str) -> None:
    page = visitor.page
    page.fill("#searchbar", title)
    page.press("#searchbar", "Enter")
    row = page.locator("#result_list tr", has_text=title)
    expect(row).to_contain_text("open")
    row.locator("input.action-select").check()
    page.select_option("select[name=action]", label="Complete selected tasks")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("1 task completed.")).to_be_visible()
    expect(page.locator("#result_list tr", has_text=title)).to_contain_text("completed")


def log_out(page: Page) -> None:
    page.evaluate("document.getElementById('logout-form').submit()")
    expect(page.get_by_text("Log in again")).to_be_visible()


def test_what_the_api_stores_is_what_staff_see(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(see_tasks, server).result()


def see_tasks(server: Server) -> None:
    fill(server)
    with visit(server) as visitor:
        page = visitor.open("/admin/")
        visitor.keep("login")
        log_in(visitor, server)
        visitor.open("/admin/tasks/task/")
        expect(page.get_by_role("link", name="Send the invoice to the print shop")).to_be_visible()
        expect(page.get_by_text("Old draft of the speech")).to_have_count(0)
        visitor.keep("tasks")
        page.get_by_role("link", name="Send the invoice to the print shop").click()
        expect(page.locator("#id_title")).to_have_value("Send the invoice to the print shop")
        visitor.keep("task")
    with visit(server, color_scheme="dark") as visitor:
        log_in(visitor, server)
        visitor.open("/admin/tasks/task/?deleted=all")
        expect(visitor.page.get_by_text("Old draft of the speech")).to_be_visible()
        visitor.keep("tasks-dark")


def fill(server: Server) -> None:
    """Make three people and their tasks, through the API."""
    near, later = date.today() + timedelta(days=3), date.today() + timedelta(days=24)  # noqa: DTZ011 -- any day will do
    mark = "" if os.environ.get("PICTURES") else f"-{uuid.uuid4().hex}"
    with register(server, f"maria.santos{mark}@example.com") as maria:
        add_task(maria, "Book the train to Porto", done=True, priority="medium")
        add_task(maria, "Renew the passport", priority="urgent", due_on=str(near))
        add_task(maria, "Read the contract for the new flat", priority="high", due_at=f"{near}T16:00:00Z")
        add_task(maria, "Call grandmother", done=True)
        add_task(maria, "Old draft of the speech", gone=True)
    with register(server, f"jonas.berg{mark}@example.com") as jonas:
        add_task(jonas, "Change the tyres", due_on=str(later), priority="low")
        add_task(jonas, "Order firewood", done=True, priority="low")
        add_task(jonas, "Repair the bicycle light")
        add_task(jonas, "Compare electricity tariffs", priority="medium", due_on=str(later))
        add_task(jonas, "Bring back the library books", priority="high", due_on=str(near))
    with register(server, f"aiko.tanaka{mark}@example.com") as aiko:
        add_task(aiko, "Prepare the slides for Thursday", done=True, priority="high")
        add_task(aiko, "Water the plants")
        add_task(aiko, "Reserve a table for six", priority="medium", due_at=f"{near}T10:30:00Z")
        add_task(aiko, "Back up the photographs", priority="low", due_on=str(later))
        text = "Invoice 2231, two copies.\nThey want the order number on the first page."
        add_task(aiko, "Send the invoice to the print shop", description=text, priority="urgent", due_on=str(near))


def test_the_documentation_lists_the_operations(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(read_documentation, server).result()


def read_documentation(server: Server) -> None:
    with register(server, f"reader-{uuid.uuid4().hex}@example.com") as reader, visit(server) as visitor:
        page = visitor.open("/docs")
        expect(page.locator(".opblock").first).to_be_visible()
        paths = page.locator(".opblock-summary-path").evaluate_all("all => all.map(one => one.dataset.path)")
        assert {"/v1/tasks", "/v1/auth/login"} <= set(paths)
        visitor.keep("docs")
        try_it_out(page, reader.headers["Authorization"].removeprefix("Bearer "))
    with visit(server) as visitor:
        expect(visitor.open("/docs/errors").get_by_role("heading", name="Not found")).to_be_visible()


def try_it_out(page: Page, token: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").first.fill(token)
    page.locator(".auth-btn-wrapper .authorize").first.click()
    page.locator(".auth-btn-wrapper .btn-done").first.click()
    operation = page.locator(".opblock-get", has=page.locator('[data-path="/v1/tasks"]')).first
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
