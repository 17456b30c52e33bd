"""The staff admin: every page opens, to those who may, and lists stay cheap."""

import uuid
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.support.staff import logged_in, make_list, make_task, make_token, make_user, page

pytestmark = pytest.mark.usefixtures("orm")

LISTS = ["accounts_user", "auth_group", "accounts_accesstoken", "tasks_task", "tasks_tasklist"]


def rows_of() -> dict[str, Any]:
    user = make_user()
    return {
        "accounts_user": user,
        "auth_group": Group.objects.create(name=uuid.uuid4().hex),
        "accounts_accesstoken": make_token(user),
        "tasks_task": make_task(user),
        "tasks_tasklist": make_list(user),
    }


@pytest.mark.parametrize("model", LISTS)
def test_every_page_of_every_model_opens(staff: Client, model: str) -> None:
    row = rows_of()[model]
    page(staff.get(reverse(f"admin:{model}_changelist")))
    for view in ("change", "history"):
        text = page(staff.get(reverse(f"admin:{model}_{view}", args=[row.pk])))
        assert "DatabaseDefault" not in text
        assert ">None<" not in text.replace(">None</option>", "")  # a priority may well be none


@pytest.mark.parametrize("model", ["accounts_user", "auth_group", "tasks_task", "tasks_tasklist"])
def test_the_add_page_shows_no_database_expressions(staff: Client, model: str) -> None:
    text = page(staff.get(reverse(f"admin:{model}_add")))
    assert "DatabaseDefault" not in text
    assert "Now()" not in text


@pytest.mark.parametrize("name", ["index", "password_change", "jsi18n"])
def test_the_general_pages_open(staff: Client, name: str) -> None:
    page(staff.get(reverse(f"admin:{name}")))


def test_our_colour_has_every_shade_that_the_theme_asks_for() -> None:
    from unfold.settings import CONFIG_DEFAULTS

    assert settings.UNFOLD["COLORS"]["primary"].keys() == CONFIG_DEFAULTS["COLORS"]["primary"].keys()


@pytest.mark.parametrize("model", LISTS)
def test_anonymous_people_are_asked_to_log_in(model: str) -> None:
    address = reverse(f"admin:{model}_changelist")
    response = Client().get(address)
    assert (response.status_code, response["Location"]) == (302, f"/admin/login/?next={address}")


def test_people_who_are_not_staff_are_refused() -> None:
    user = make_user()
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    client = Client()
    form = {"username": user.email, "password": "correct horse battery staple"}
    assert "staff account" in page(client.post("/admin/login/", form))
    client.force_login(user)
    assert client.get("/admin/tasks/task/").status_code == 302


def test_staff_log_in_with_their_e_mail_in_any_case() -> None:
    user = make_user("staff", is_staff=True)
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    form = {"username": user.email.upper(), "password": "correct horse battery staple"}
    assert Client().post("/admin/login/?next=/admin/", form)["Location"] == "/admin/"


def test_staff_without_rights_are_refused() -> None:
    client = logged_in(make_user("staff", is_staff=True))
    assert client.get("/admin/tasks/task/").status_code == 403
    assert client.get("/admin/accounts/user/").status_code == 403


@pytest.mark.parametrize("model", LISTS)
def test_a_list_asks_as_much_for_many_rows_as_for_few(staff: Client, model: str) -> None:
    rows_of()
    few = queries_of(staff, model)
    for _ in range(5):
        rows_of()
    assert len(queries_of(staff, model)) == len(few) <= 6


def test_a_group_does_not_ask_once_for_each_permission(staff: Client) -> None:
    assert len(queries_of(staff, "auth_group", "add")) <= 5


def queries_of(client: Client, model: str, view: str = "changelist") -> list[Any]:
    with CaptureQueriesContext(connection) as queries:
        page(client.get(reverse(f"admin:{model}_{view}")))
    return list(queries.captured_queries)


def test_a_list_never_counts_a_whole_table(staff: Client) -> None:
    rows_of()
    asked = [query["sql"] for query in queries_of(staff, "tasks_task") if 'FROM "tasks"' in query["sql"]]
    assert len(asked) == 2
    assert "COUNT(" not in "".join(asked)
    assert "LIMIT 1001" in asked[0]


def test_a_count_beyond_the_limit_is_not_given_as_exact(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = make_user()
    for _ in range(3):
        make_task(owner)
    monkeypatch.setattr("todoproject.admin.paginator.MOST_COUNTED", 2)
    text = " ".join(page(staff.get(f"/admin/tasks/task/?user__id__exact={owner.pk}")).split())
    assert "more than 2 tasks" in text


# The lists that have the filter; where it is not in the table, all.
OFFERED = {
    "user__id__exact": ["accounts_accesstoken", "tasks_task", "tasks_tasklist"],
    "priority__exact": ["tasks_task"],
    "created_at_from": ["accounts_user", "accounts_accesstoken", "tasks_task"],
}


@pytest.mark.parametrize(
    "query", ["user__id__exact=nonsense", "priority__exact=x", "p=999", "o=99.-1", "created_at_from=x"]
)
@pytest.mark.parametrize("model", LISTS)
def test_a_made_up_query_does_no_harm(staff: Client, model: str, query: str) -> None:
    answer = staff.get(reverse(f"admin:{model}_changelist") + "?" + query, follow=True)
    is_offered = model in OFFERED.get(query.split("=")[0], LISTS)
    assert answer.status_code == (200 if is_offered else 400)
