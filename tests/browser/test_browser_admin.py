"""Every job of the staff in a real browser, on a running server: nothing from elsewhere, no error, no barrier."""

import csv
import io
import json
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Download, Page, expect

from tests.support.browser import Visit, add_task, log_in, register, visit
from tests.support.postgres.databases import connect
from tests.support.processes.servers import Server
from todoproject.database import embedded

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
LOOKS: dict[str, dict[str, Any]] = {"": {}, "-dark": {"color_scheme": "dark"}, "-phone": PHONE}
PAGES = {
    "dashboard": "/admin/",
    "list": "/admin/tasks/task/",
    "lists": "/admin/tasks/tasklist/",
    "export": "/admin/tasks/task/export/",
    "users": "/admin/accounts/user/",
    "tokens": "/admin/accounts/accesstoken/",
    "audit": "/admin/accounts/auditevent/",
    "empty": "/admin/tasks/task/?q=nothingofthekind",
    "groups": "/admin/auth/group/",
    "add": "/admin/tasks/task/add/",
    "account": "/admin/account/",
}

# A month of somebody's days, so that the plots have something to show.
MONTH = """
WITH owner AS (SELECT id FROM users WHERE email = %(email)s), task AS (
    SELECT number, abs(hashint4(number * 13)) %% 5 < 3 AS is_done, abs(hashint4(number * 17)) %% 4000 AS taken,
           uuidv7(-age) AS key, now() - age AS made
      FROM (SELECT number, abs(hashint4(number)) %% 43200 * interval '1 minute' AS age
              FROM generate_series(1, 700) AS number) AS one)
INSERT INTO tasks (key, id, user_id, title, is_completed, completed_at, created_at, updated_at, sort_title, due_on,
                   sort_due)
SELECT key, key, owner.id, 'Task ' || number, is_done,
       CASE WHEN is_done THEN least(now(), made + taken * interval '1 minute') END, made, made, 'task ' || number,
       made::date + 19, (made::date + 19)::timestamp AT TIME ZONE 'UTC' FROM task, owner
"""


@pytest.mark.parametrize("suffix", LOOKS, ids=["light", "dark", "phone"])
def test_every_page_looks_right_to_everybody(server: Server, thread: ThreadPoolExecutor, suffix: str) -> None:
    thread.submit(look_around, server, suffix).result()


def look_around(server: Server, suffix: str) -> None:
    email = f"months-{uuid.uuid4().hex[:8]}@example.com"
    with register(server, email) as owner:
        furnish(owner)
    with connect(embedded.DATABASE, autocommit=True) as connection:
        connection.execute("ALTER TABLE todo.tasks DISABLE TRIGGER USER")
        connection.execute(MONTH, {"email": email})
        connection.execute("ALTER TABLE todo.tasks ENABLE TRIGGER USER")
    with visit(server, **LOOKS[suffix]) as visitor:
        visitor.open("/admin/")
        visitor.look(f"login{suffix}")
        log_in(visitor, server)
        for name, address in PAGES.items():
            visitor.open(address)
            visitor.look(f"{name}{suffix}")
        if suffix == "-dark":  # scrollbars and what else the browser draws itself
            scheme = visitor.page.evaluate("getComputedStyle(document.documentElement).colorScheme")
            assert scheme == "dark"
        look_at_one(visitor, email, suffix)


def furnish(owner: httpx.Client) -> None:
    """Make something of all that a task can be, so that each part of a page has something to show."""

    def made(path: str, **members: Any) -> dict[str, Any]:
        answer = owner.post(path, json=members).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    home, work = made("/v1/lists", name="Home", color="#3366cc"), made("/v1/lists", name="Work")
    owner.patch(f"/v1/lists/{work['id']}", json={"is_archived": True}).raise_for_status()
    flat = {"list_id": home["id"], "labels": ["moving", "for later"], "priority": "high", "starts_on": "2027-01-02"}
    parent = made("/v1/tasks", title="Move to the new flat", due_on="2027-02-01", **flat)
    for title in ("Measure the windows", "Order boxes", "Tell the landlord"):
        child = made("/v1/tasks", title=title, parent_id=parent["id"])
    made(f"/v1/tasks/{child['id']}/complete")
    rule = {"rule": "FREQ=WEEKLY;BYDAY=MO,TH", "timezone": "Europe/Berlin", "missed": "keep"}
    reminders = [{"minutes_before": 15}, {"at": "2027-01-04T05:00:00Z"}]
    due = {"due_at": "2027-01-04T07:30:00Z", "recurrence": rule, "reminders": reminders}
    series = made("/v1/tasks", title="Water the plants", external_id="garden/7", labels=["moving"], **due)
    for _ in range(2):
        series = made(f"/v1/tasks/{series['id']}/complete", occurrence=series["occurrence"])


def look_at_all_of_it(visitor: Visit, email: str, suffix: str) -> None:
    """Look at the pages of lists, subtasks, series and reminders, at the filters, and at editing many."""
    page = visitor.page
    for name, title in (("series", "Water the plants"), ("subtasks", "Move to the new flat")):
        visitor.open(f"/admin/tasks/task/?q={email}+{title.replace(' ', '+')}&state=open")
        page.locator("#result_list .field-title a").first.click()
        page.wait_for_load_state("networkidle")
        part = "Series and reminders" if name == "series" else "Details"
        page.get_by_role("heading", name=part).first.evaluate("heading => heading.scrollIntoView()")
        visitor.look(f"{name}{suffix}")
        visitor.open(page.url.removeprefix(visitor.url).split("change/")[0] + "history/")
        visitor.look(f"{name}-history{suffix}")
    visitor.open("/admin/tasks/tasklist/")
    page.get_by_role("link", name="Home", exact=True).first.click()
    page.wait_for_load_state("networkidle")
    visitor.look(f"one-list{suffix}")
    visitor.open(f"/admin/tasks/task/?q={email}")
    page.locator("#changelist a", has_text="Filters").first.click()
    visitor.look(f"filters{suffix}")
    visitor.open(f"/admin/tasks/task/?q={email}+boxes")
    act(page, "Edit selected tasks…", "Change 1 task? What is left empty stays as it is.")
    visitor.look(f"bulk{suffix}")


def look_at_one(visitor: Visit, email: str, suffix: str) -> None:
    page = visitor.open(f"/admin/accounts/user/?q={email}")
    page.get_by_role("link", name=email, exact=True).click()
    page.wait_for_load_state("networkidle")
    visitor.look(f"user{suffix}")
    if suffix == "-phone":  # of where one is, what one needs, and no arrows that lead from nothing
        assert [text.strip() for text in page.locator(".crumb:visible").all_inner_texts()] == [email]
    page = visitor.open(f"/admin/tasks/task/?q={email}")
    page.locator("#result_list .field-title a").first.click()
    page.wait_for_load_state("networkidle")
    visitor.look(f"task{suffix}")
    visitor.open(page.url.removeprefix(visitor.url).split("change/")[0] + "history/")
    visitor.look()
    look_at_all_of_it(visitor, email, suffix)


def test_staff_find_edit_and_act_on_tasks(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(work_on_tasks, server).result()


def work_on_tasks(server: Server) -> None:
    email, word = f"owner-{uuid.uuid4().hex}@example.com", f"w{uuid.uuid4().hex[:8]}"
    with register(server, email) as owner:
        for number in range(3):
            add_task(owner, f"Errand {number} {word}")
        for _ in range(2):
            many = [{"op": "create", "data": {"title": f"One of many, all{word}"}}] * 60
            owner.post("/v1/tasks/batch", json={"operations": many}).raise_for_status()
    with visit(server) as visitor:
        page = log_in(visitor, server)
        complete_all_that_match(visitor, f"all{word}")
        visitor.open("/admin/tasks/task/")
        page.fill("#searchbar", word)
        page.press("#searchbar", "Enter")
        expect(rows(page)).to_have_count(3)
        edit_in_the_list(page)
        act(page, "Complete selected tasks", "3 tasks completed.")
        act(page, "Reopen selected tasks", "3 tasks reopened.")
        edit_many(visitor)
        act(page, "Move selected tasks to the trash", "Move 3 tasks to the trash?")
        page.get_by_role("button", name="Move to the trash").click()
        expect(page.get_by_text("3 tasks moved to the trash.")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("3 tasks restored.")).to_be_visible()
        visitor.open(f"/admin/tasks/task/?q={word}")
        act(page, "Move selected tasks to the trash", "Move 3 tasks to the trash?")
        page.get_by_role("button", name="Move to the trash").click()
        expect(page.get_by_text("3 tasks moved to the trash.")).to_be_visible()
        visitor.open(f"/admin/tasks/task/?deleted=yes&q={word}")
        expect(rows(page)).to_have_count(3)
        act(page, "Restore selected deleted tasks", "3 tasks restored.")
        visitor.open(f"/admin/tasks/task/?q={word}")
        undo_from_the_history(visitor)
        visitor.open(f"/admin/tasks/task/?q={word}")
        filter_by_priority(page)
        page.get_by_role("link", name=email, exact=True).first.click()
        expect(page.locator("#id_email")).to_have_value(email)


def undo_from_the_history(visitor: Visit) -> None:
    """Undo the newest change, which is the restoring, and that undoing."""
    page = visitor.page
    page.locator("#result_list .field-title a").first.click()
    page.wait_for_load_state("networkidle")
    visitor.open(page.url.removeprefix(visitor.url).split("change/")[0] + "history/")
    for event in ("deleted", "restored"):
        page.locator("table.changes").get_by_role("button", name="Undo").first.click()
        expect(page.get_by_text("Undone, with all that the same request had changed.")).to_be_visible()
        expect(page.locator("table.changes tbody tr").first).to_contain_text(event)


def complete_all_that_match(visitor: Visit, word: str) -> None:
    page = visitor.open(f"/admin/tasks/task/?q={word}&state=open")
    page.locator("#action-toggle").check()
    page.get_by_text("Select all 120 tasks").click()
    page.locator("select[name=action]").select_option(label="Complete selected tasks")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Complete 120 tasks: all that match, on every page?")).to_be_visible()
    steps: list[str] = []
    page.on("request", lambda request: steps.append(request.headers.get("x-step", "")))
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("120 tasks completed.")).to_be_visible()
    assert [step for step in steps if step] == ["1", "2"]
    expect(page.get_by_text("Nothing found")).to_be_visible()  # of those that are open


def rows(page: Page) -> Any:
    return page.locator("#result_list .data-row")


def edit_in_the_list(page: Page) -> None:
    page.locator("select[name=form-0-priority]").select_option("4")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Audit").first.click()
    expect(page.locator("select[name=form-0-priority]")).to_have_value("4")
    assert asked == ["beforeunload"]  # leaving with edits that are not saved
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("1 task was changed successfully.")).to_be_visible()
    expect(page.locator("select[name=form-0-priority]")).to_have_value("4")


def act(page: Page, action: str, said: str) -> None:
    for box in page.locator("#result_list input.action-select").all():
        box.check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text(said)).to_be_visible()


def edit_many(visitor: Visit) -> None:
    page = visitor.page
    act(page, "Edit selected tasks…", "Change 3 tasks? What is left empty stays as it is.")
    visitor.look()
    page.get_by_label("Due on").fill("2030-01-31")
    page.get_by_label("Add labels").fill("errand")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_text("3 tasks changed.")).to_be_visible()


def filter_by_priority(page: Page) -> None:
    page.locator("#changelist a", has_text="Filters").first.click()
    page.locator("select[name=priority__exact]").select_option("4", force=True)
    page.get_by_role("button", name="Apply Filters").click()
    expect(rows(page)).to_have_count(1)


def test_the_second_of_two_people_is_told(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(edit_at_once, server).result()


def edit_at_once(server: Server) -> None:
    word = f"w{uuid.uuid4().hex[:8]}"
    with register(server, f"owner-{uuid.uuid4().hex}@example.com") as owner:
        add_task(owner, f"Contested {word}")
    with visit(server) as first:
        log_in(first, server)
        open_task(first, word)
        second = Visit(first.page.context, server.url)
        open_task(second, word)
        for visitor, title in ((first, "first"), (second, "second")):
            visitor.page.fill("#id_title", f"By the {title} {word}")
            visitor.page.click("button[name=_save]")
        expect(first.page.get_by_text("was changed successfully")).to_be_visible()
        expect(second.page.get_by_text("somebody else has changed this")).to_be_visible()
        expect(second.page.locator("#id_title")).to_have_value(f"By the second {word}")
        open_task(second, word)
        expect(second.page.locator("#id_title")).to_have_value(f"By the first {word}")
        assert second.complaints == []


def open_task(visitor: Visit, word: str) -> None:
    page = visitor.open(f"/admin/tasks/task/?q={word}")
    page.locator("#result_list .field-title a").first.click()
    page.wait_for_load_state("networkidle")


def test_a_list_is_exported_with_progress(server: Server, thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    thread.submit(export_lists, server, tmp_path).result()


def export_lists(server: Server, folder: Path) -> None:
    word = f"w{uuid.uuid4().hex[:8]}"
    with register(server, f"owner-{uuid.uuid4().hex}@example.com") as owner:
        add_task(owner, f"Taken along {word}", priority="high")
    with visit(server) as visitor:
        page = log_in(visitor, server)
        visitor.open(f"/admin/tasks/task/?q={word}")
        page.get_by_role("link", name="Export this list").click()
        (row,) = csv.DictReader(io.StringIO(export(page, "CSV", folder).decode("utf-8-sig")))
        assert (row["title"], row["priority"]) == (f"Taken along {word}", "high")
        (entry,) = json.loads(export(page, "JSON", folder))
        assert entry["id"] == row["id"]
        book = zipfile.ZipFile(io.BytesIO(export(page, "Excel (XLSX)", folder)))
        assert word in book.read("xl/worksheets/sheet1.xml").decode()


def export(page: Page, name: str, folder: Path) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    expect(page.locator("#said")).to_have_text("1 rows, done.")
    file: Download = download.value
    path = folder / file.suggested_filename
    file.save_as(path)
    return path.read_bytes()


def test_an_export_that_is_cut_off_saves_nothing(server: Server, thread: ThreadPoolExecutor) -> None:
    thread.submit(cut_off, server).result()


def cut_off(server: Server) -> None:
    with visit(server) as visitor:
        page = log_in(visitor, server)
        visitor.open("/admin/tasks/task/export/")
        headers = {"Content-Disposition": 'attachment; filename="tasks.csv"'}
        page.route("**/export/file/**", lambda route: route.fulfill(body=b"\0\0\0\1\0\0\0\2ab", headers=headers))
        saved: list[Any] = []
        page.on("download", lambda download: saved.append(download))  # noqa: PLW0108 -- Playwright wants a function
        page.get_by_role("button", name="CSV").click()
        expect(page.locator("#said")).to_contain_text("Nothing was saved")
        assert saved == []
