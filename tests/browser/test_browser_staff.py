"""Getting in with a second factor, and what is done to a person, in a real browser under the strict policy."""

import base64
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, expect

from accounts.staff import second_factor
from tests.environment import FOLDER
from tests.support.browser import Visit, add_task, log_in, register, visit
from tests.support.processes.commands import new_database
from tests.support.processes.servers import Server
from todoproject.database import embedded

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def strict(postgres: None) -> Iterator[Server]:
    """A server whose staff need a second factor, on a database of its own."""
    with new_database("strict") as name:
        url = f"postgresql://{embedded.OWNER}@/{name}?host={embedded.socket_directory(FOLDER / 'postgres')}"
        settings = {"DATABASE_URL": url, "MIGRATE_ON_START": "true", "FIRST_STAFF_EMAIL": "staff@example.com"}
        with Server(ADMIN_SECOND_FACTOR="required", **settings) as server:
            yield server


def test_staff_set_up_a_second_factor_and_use_it(strict: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(set_up_and_use, strict).result()


def set_up_and_use(server: Server) -> None:
    with visit(server) as visitor:
        page = log_in(visitor, server)
        expect(page.get_by_text("Set up the second factor")).to_be_visible()
        expect(page.locator("svg").filter(has_text="QR code")).to_be_visible()
        visitor.keep("second-factor")
        secret = base64.b32decode(page.locator("code").first.inner_text().replace(" ", ""))
        enter(page, second_factor.code_at(secret, int(time.time())), "Turn it on")
        recovery = page.locator("#recovery-codes code").all_inner_texts()
        assert len(recovery) == 10
        page.get_by_role("link", name="Go on").click()
        expect(page.get_by_role("link", name="Audit").first).to_be_visible()
    with visit(server, color_scheme="dark") as visitor:
        page = log_in(visitor, server)
        enter(page, "000 000", "Log in")
        expect(page.get_by_text("wrong, or was used already")).to_be_visible()
        enter(page, recovery[0].lower(), "Log in")
        expect(page.get_by_role("link", name="Audit").first).to_be_visible()
        look_after_somebody(visitor, server)


def enter(page: Page, code: str, button: str) -> None:
    page.fill("#id_code", code)
    page.get_by_role("button", name=button).click()
    page.wait_for_load_state("networkidle")


def look_after_somebody(visitor: Visit, server: Server) -> None:
    email = f"eva-{uuid.uuid4().hex}@example.com"
    with register(server, email) as eva:
        add_task(eva, "Water the cactus")
        page = visitor.open(f"/admin/accounts/user/?q={email[:20]}")
        page.get_by_role("link", name=email, exact=True).click()
        expect(page.get_by_role("link", name="Water the cactus")).to_be_visible()
        visitor.keep("user-dark")
        page.get_by_role("link", name="Deactivate").click()
        page.get_by_role("button", name="Deactivate").click()
        expect(page.get_by_text("was deactivated")).to_be_visible()
        assert eva.get("/v1/tasks").status_code == 401
        page.get_by_role("link", name="Erase").click()
        page.select_option("#id_reason", "their own request")
        page.fill("#id_email", email)
        page.get_by_role("button", name="Erase").click()
        expect(page.get_by_text("This receipt tells nothing about the person")).to_be_visible()
        visitor.keep("receipt")
        page.goto(f"{server.url}/admin/accounts/auditevent/?action=erase")
        expect(page.locator("#result_list tbody tr")).to_have_count(1)
        visitor.keep("audit-dark")


def test_menus_filters_and_the_colour_switch_work_without_eval(
    strict: Server, server: Server, thread: ThreadPoolExecutor
) -> None:
    thread.submit(use_the_widgets, server).result()


def use_the_widgets(server: Server) -> None:
    with visit(server) as visitor:
        page = log_in(visitor, server)
        visitor.open("/admin/tasks/task/")
        page.get_by_text("Filters").first.click()
        expect(page.get_by_role("button", name="Apply Filters")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Control+e")
        expect(page.locator("html")).to_have_class("light")
        page.keyboard.press("Control+e")
        expect(page.locator("html")).to_have_class("dark")
        visitor.open("/admin/tasks/task/add/")
        expect(page.locator("html")).to_have_class("dark")
        page.fill("#id_title", "Never saved")
        inject(visitor)


def inject(visitor: Visit) -> None:
    """Put a script into the page as a hole in a template would; the browser must refuse it."""
    visitor.page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.isInjected = true";
        document.head.append(script);
    }""")
    assert visitor.page.evaluate("window.isInjected") is None
    assert ["Content Security Policy" in complaint for complaint in visitor.complaints] == [True]
    visitor.complaints.clear()
