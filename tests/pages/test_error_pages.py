"""What goes wrong at Django's door: a page for a browser, a problem document for a program."""

import builtins
from typing import Any

import pytest
from django import db
from django.http import HttpResponse
from django.test import Client

pytestmark = pytest.mark.usefixtures("orm")


def test_a_browser_gets_a_page_and_a_program_a_problem() -> None:
    for accept, kind in (
        ("text/html,*/*;q=0.8", "text/html"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
    ):
        response: HttpResponse = Client().get("/nowhere", headers={"Accept": accept})
        assert (response.status_code, response["Content-Type"].split(";")[0]) == (404, kind)


@pytest.mark.parametrize("path", ["/rest/v2/tasks", "/api/v1/tasks", "/v2/tasks", "/sync/v9/sync", "/nowhere"])
def test_a_path_of_another_api_is_told_as_that(path: str) -> None:
    problem = Client().get(path, headers={"Authorization": "Bearer x"}).json()
    assert (problem["status"], problem["code"]) == (404, "no-such-path")
    assert "begin with /v1" in problem["detail"]


def test_a_page_that_lacks_what_it_is_about_is_not_found(staff: Client) -> None:
    for path in ("/admin/nothing/", "/docs/errors/no-such-error"):
        assert staff.get(path).json()["code"] == "not-found", path


def test_a_form_without_its_csrf_token_is_refused_with_a_page() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", headers={"Accept": "text/html"})
    assert (response.status_code, b"Open it again" in response.content) == (403, True)
    assert b"in another window" in response.content
    assert b"superuser" not in response.content  # no right is missing


@pytest.mark.parametrize(("error", "status"), [("OperationalError", 503), ("ZeroDivisionError", 500)])
def test_a_defect_is_500_and_a_lost_database_503(
    staff: Client, monkeypatch: pytest.MonkeyPatch, error: str, status: int
) -> None:
    def fail(*_: Any) -> None:
        raise getattr(db, error, None) or getattr(builtins, error)

    monkeypatch.setattr("tasks.admin.tasks.TaskAdmin.get_queryset", fail)
    staff.raise_request_exception = False
    for accept in ("text/html", "application/json"):
        assert staff.get("/admin/tasks/task/", headers={"Accept": accept}).status_code == status


def test_a_host_that_is_not_ours_is_400() -> None:
    response = Client().get("/admin/", headers={"Host": "evil.example", "Accept": "text/html"})
    assert (response.status_code, b"Malformed" in response.content) == (400, True)
