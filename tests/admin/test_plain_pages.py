"""What staff are told and offered: names beside ids, history without views, a token's end, words with an owner."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts.models import AuditEvent
from tasks.models import Task
from tests.support.staff import editor, make_task, make_token, make_user, page

LIST, AUDIT = "/admin/tasks/task/", "/admin/accounts/auditevent/"


def of(thing: Task) -> str:
    return f"{AUDIT}?object_id={thing.pk}"


def test_titles_stand_beside_ids_in_the_audit_where_one_may_see_them(staff: Client) -> None:
    task = make_task(make_user(), f"Errand {uuid.uuid4().hex}")
    staff.get(reverse("admin:tasks_task_change", args=[task.pk]))

    text = page(staff.get(of(task)))
    assert f"task {task.title}" in text
    assert str(task.pk) in text  # where it leads to
    hidden = page(editor("view_auditevent").get(of(task)))
    assert task.title not in hidden
    assert f"task {task.pk}" in hidden


def test_what_is_about_no_one_thing_is_told_in_words(staff: Client) -> None:
    event = AuditEvent.objects.create(door="admin", action="export", object_type="accounts.user", facts={})

    row = page(staff.get(f"{AUDIT}?q={event.pk}"))

    assert "accounts.user" not in row.partition('id="result_list"')[2].partition("</table>")[0]


def test_history_hides_views_until_they_are_asked_for(staff: Client) -> None:
    task = make_task(make_user())
    address = reverse("admin:tasks_task_history", args=[task.pk])
    for _ in range(3):
        staff.get(reverse("admin:tasks_task_change", args=[task.pk]))
    assert audit.events_for(task).count() == 3

    assert "Nothing has been recorded" in page(staff.get(address))
    assert "Show views, too" in page(staff.get(address))
    # Looking at the history is a view, too: this is the third time.
    assert page(staff.get(f"{address}?views=1")).count(">view") == 3 + 3


def test_a_token_is_revoked_on_its_own_page(staff: Client) -> None:
    token = make_token(make_user(), name="lost phone")
    address = reverse("admin:accounts_accesstoken_change", args=[token.pk])
    revoke = reverse("admin:accounts_accesstoken_revoke", args=[token.pk])
    assert f'href="{revoke}"' in page(staff.get(address))

    assert "Revoke “lost phone” of" in page(staff.get(revoke))
    token.refresh_from_db()
    assert token.revoked_at is None
    assert "1 access token revoked." in page(staff.post(revoke, follow=True))

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert revoke not in page(staff.get(address))
    assert staff.post(revoke).status_code == 403


@pytest.mark.parametrize("rights", [("view_accesstoken",), ("view_accesstoken", "change_accesstoken")])
def test_who_may_not_revoke_finds_no_button(rights: tuple[str, ...]) -> None:
    token = make_token(make_user("root", is_staff=True, is_superuser=True))
    browser = editor(*rights)
    revoke = reverse("admin:accounts_accesstoken_revoke", args=[token.pk])

    assert revoke not in page(browser.get(reverse("admin:accounts_accesstoken_change", args=[token.pk])))
    assert browser.post(revoke).status_code == 403
    token.refresh_from_db()
    assert token.revoked_at is None


def test_an_e_mail_and_a_word_are_found_together(staff: Client) -> None:
    owner, other, word = make_user(), make_user(), f"w{uuid.uuid4().hex[:8]}"
    wanted = make_task(owner, f"Call {word}")
    unwanted = [make_task(owner, "Something else"), make_task(other, f"Call {word}")]

    for query in (f"{owner.email} {word}", f"{word} {owner.email[:30]}@"[:60], f"call {owner.email} {word[:6]}"):
        text = page(staff.get(LIST, {"q": query}))
        found = [task for task in (wanted, *unwanted) if str(task.pk) in text]
        assert found == ([wanted] if query.count("@example") else []), query


def test_the_list_says_why_it_is_not_sorted_by_due(staff: Client) -> None:
    assert "Filter by an owner to sort by due" in page(staff.get(LIST))
    assert "Filter by an owner" not in page(staff.get(LIST, {"user__id__exact": str(make_user().pk)}))
