"""What has changed about a task or a list, on its page of history, with a button that undoes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from accounts import audit
from accounts.models import AccessToken, User
from tasks.admin import readable
from tasks.models import Change, Task, TaskList
from todoproject.admin.model_admin import ModelAdmin

MOST_CHANGES = 50  # on a page
_MARKS = {"deleted_with", "completed_with", "series"}  # what took a task along, what is computed from: no members

# From the row's last change back, by the primary key.
_WALK = """
WITH RECURSIVE walk AS (
    SELECT changes.*, 1 AS depth FROM changes WHERE user_id = %(owner)s AND change_no = %(number)s
    UNION ALL
    SELECT changes.*, depth + 1 FROM walk
      JOIN changes ON changes.user_id = walk.user_id AND changes.change_no = walk.previous
     WHERE depth < %(most)s)
SELECT change_no, at, event, actor_kind, actor_id, before FROM walk ORDER BY change_no DESC
"""
_TO_UNDO = [
    *("tasks.change_task", "tasks.delete_task"),
    *("tasks.change_tasklist", "tasks.delete_tasklist"),
]
_REFUSALS = {
    "change_undone": "Not undone: what it changed has been changed again since. Undo the later changes first.",
    "change_kept": "Not undone: it is no longer in the log, or something of it was purged.",
}


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change as the page shows it: each member with what it was and what it became."""

    number: int
    at: datetime
    event: str
    actor: str
    members: list[tuple[str, str, str]]


class ChangeHistory(ModelAdmin):
    """Of what has changes that are logged."""

    kind = ""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what has changed above what staff have done."""
        row = self.get_object(request, unquote(object_id))
        shown = {} if row is None else {"changes": shown_changes(row), "may_undo": self._may_undo(request)}
        return super().history_view(request, object_id, {**shown, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.undo_change)
        name = f"{self.opts.app_label}_{self.opts.model_name}_undo_change"
        return [path("<uuid:key>/undo/<int:number>/", view, name=name), *super().get_urls()]

    def _may_undo(self, request: HttpRequest) -> bool:
        """Undoing may bring back and take away, and of both kinds: a request may have changed both."""
        return isinstance(request.user, User) and request.user.has_perms(_TO_UNDO)

    @method_decorator(require_POST)
    def undo_change(self, request: HttpRequest, key: UUID, number: int) -> HttpResponse:
        """Undo the whole action that a change of this row belongs to."""
        if not self._may_undo(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None or not self._is_of(row, number):
            raise Http404
        try:
            with transaction.atomic():
                self.lock_owners(request, self.model._base_manager.filter(pk=key))
                _undo(row.user_id, number)
                audit.record(request, audit.CHANGE, row, facts={"done": "undone", "change_no": number})
        except IntegrityError as error:
            refusal = _REFUSALS.get(getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or "")
            if refusal is None:
                raise
            self.message_user(request, refusal, messages.ERROR)
        else:
            self.message_user(request, "Undone, with all that the same request had changed.", messages.SUCCESS)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_history"
        return HttpResponseRedirect(reverse(name, args=[key]))

    def _is_of(self, row: Any, number: int) -> bool:
        found = Change.objects.filter(user_id=row.user_id, change_no=number, kind=self.kind, entity_id=row.id)
        return found.exists()


def _undo(owner: UUID, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.user_id', %s, true)", [str(owner)])
        cursor.execute("SELECT undo_change(%s)", [number])


def shown_changes(row: Task | TaskList) -> list[ShownChange]:
    """Return the newest changes of a row, newest first, each with what it changed."""
    with connection.cursor() as cursor:
        cursor.execute(_WALK, {"owner": row.user_id, "number": row.change_no, "most": MOST_CHANGES})
        found = cursor.fetchall()
    names = _actors(found)
    state: dict[str, Any] = {str(field.column): getattr(row, field.attname) for field in row._meta.concrete_fields}
    befores: list[dict[str, Any]] = [orjson.loads(before) if before else {} for *_, before in found]
    called = readable.names(row.user_id, [*state.items(), *(member for before in befores for member in before.items())])
    in_words = partial(readable.value, type(row), names=called)
    shown = []
    for (number, at, event, kind, actor, _), was in zip(found, befores, strict=True):
        members = [
            (readable.label(type(row), name), in_words(name, value), in_words(name, state[name]))
            for name, value in was.items()
            if name not in _MARKS
        ]
        state |= was
        if event != "respaced":
            by = names.get(actor) or f"{kind} {actor or ''}".strip()
            shown.append(ShownChange(number, at, readable.event(event), by, members))
    return shown


def _actors(found: Iterable[Any]) -> dict[UUID | None, str]:
    """Return what staff and tokens are called, by id."""
    ids = {actor for *_, actor, _ in found}
    tokens = AccessToken.objects.filter(pk__in=ids).values_list("pk", "name")
    return {
        **dict(User.objects.filter(pk__in=ids).values_list("pk", "email")),
        **{key: f"token “{name}”" for key, name in tokens},
    }
