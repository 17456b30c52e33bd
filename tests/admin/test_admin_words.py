"""What pages of the admin say: what is stored, in plain words, and which filters are in use."""

from typing import Any

import pytest
from django.urls import reverse

from tests.support.staff import make_task, make_token, make_user, page, root_client, seen

pytestmark = pytest.mark.usefixtures("orm")


def test_filters_add_up_and_each_can_be_taken_off() -> None:
    user = make_user()
    task = make_task(user, "Mend the roof", due_on="2020-01-01")
    make_task(user, "Mend the roof", is_completed=True)
    query = {"state": "overdue", "q": "roof", "deleted": "all", "user__id__exact": str(user.pk), "priority__exact": "0"}
    answer: Any = root_client().get("/admin/tasks/task/", query)
    changes = answer.context["cl"]
    assert [row.pk for row in changes.result_list] == [task.pk]
    texts = {chip.text for chip in changes.chips}
    assert texts >= {"search: roof", "state: Overdue", "deleted: All, deleted or not", f"owner: {user.email}"}
    assert len(changes.chips) == 5
    for chip in changes.chips:
        assert chip.address.count("=") == 4, chip.address  # one less
        assert chip.address.replace("&", "&amp;") in page(answer)


def test_every_filter_is_a_field_of_the_form_that_is_applied() -> None:
    text = page(root_client().get("/admin/tasks/task/"))
    form = text[text.index('id="filter-form"') : text.index("Apply Filters")]
    for name in ("state", "deleted", "priority__exact", "user__id__exact", "due_on_from", "completed_at_to"):
        assert f'name="{name}"' in form, name
    text = page(root_client().get("/admin/accounts/user/"))
    form = text[text.index('id="filter-form"') : text.index("Apply Filters")]
    assert 'name="is_active__exact"' in form
    assert 'name="is_staff__exact"' in form


@pytest.mark.parametrize("view", ["change", "history"])
def test_a_heading_is_what_is_stored(view: str) -> None:
    user = make_user("lower")
    text = page(root_client().get(reverse(f"admin:accounts_user_{view}", args=[user.pk])))
    assert user.email in text
    assert user.email.capitalize() not in text


def test_a_page_that_was_refused_is_headed_by_what_is_stored() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    address = reverse("admin:accounts_user_change", args=[alice.pk])
    form = {"email": bob.email.upper(), "timezone": "UTC", **seen(alice)}
    answer: Any = root_client().post(address, form)
    assert answer.context["original"].email == answer.context["subtitle"] == alice.email
    head = page(answer).split("<form")[0]
    assert alice.email in head
    assert bob.email.upper() not in head


@pytest.mark.parametrize("deed", ["deactivate", "revoke-tokens", "send-reset", "erase", "lift-limit", "export"])
def test_whoever_is_meant_is_named_before_anything_is_done(deed: str) -> None:
    user = make_user()
    assert f">{user.email}</strong>" in page(root_client().get(reverse("admin:accounts_user_do", args=[user.pk, deed])))


def test_a_persons_page_begins_with_what_support_looks_for() -> None:
    user = make_user()
    make_task(user), make_task(user, due_on="2020-01-01"), make_task(user, is_completed=True)
    make_token(user), make_token(user, revoked_at="2026-01-01T00:00:00Z")
    answer: Any = root_client().get(reverse("admin:accounts_user_change", args=[user.pk]))
    facts = {fact.name: fact.value for fact in answer.context["summary"]}
    assert facts == {
        "Live tokens": "1",
        "Last seen": "never",
        "Failed sign-ins, 7 days": "0",
        "Open": "2",
        "Overdue": "1",
    }
    text = page(answer)
    assert text.index("Live tokens") < text.index("Newest tasks") < text.index('id="user_form"')
    assert "overdue" in text[text.index("Newest tasks") :]


@pytest.mark.parametrize("words", ["Change no", "Bookkeeping", "Designates that", "How it is going", "yielded into"])
def test_no_page_speaks_like_a_database(words: str) -> None:
    client, user = root_client(), make_user()
    task = make_task(user)
    for address in (
        "/admin/",
        "/admin/tasks/task/?q=nothingofthekind",
        reverse("admin:accounts_user_change", args=[user.pk]),
        reverse("admin:tasks_task_change", args=[task.pk]),
    ):
        text = page(client.get(address)).replace("Change number", "")
        assert words not in text, address


def test_a_time_zone_is_chosen_among_those_there_are() -> None:
    text = page(root_client().get("/admin/accounts/user/add/"))
    assert '<option value="Europe/Berlin"' in text
    assert '<option value="UTC" selected' in text
