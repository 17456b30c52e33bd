"""Editing many tasks at once: their list, priority, due and labels, each left as it is unless something is chosen."""

import uuid
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db.models import F, Func, TextField, Value
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from tasks.admin.filters import lists_of
from tasks.models import FIRST_DATE, LABEL_MAX_LENGTH, LAST_DATE, MOST_LABELS, Priority, Task, validate_label

_LEFT = ("", "Leave as it is")
_INBOX = "inbox"
_LABELS = ArrayField(TextField())

# What may change with what is chosen, for the audit: a due that is cleared ends a series.
ALSO = ("parent_id", "recurrence")

# What a rule of the database says to whoever has broken it with many tasks.
REFUSALS = {
    "tasks_labels_count": f"Nothing was changed: one of them would have more than {MOST_LABELS} labels.",
    "tasks_list_live": "Nothing was changed: the list is deleted.",
    "tasks_list_exists": "Nothing was changed: there is no such list any more.",
    "tasks_most_labels_of_account": "Nothing was changed: an owner has as many different labels as they may.",
}


class BulkForm(forms.Form):
    """What becomes of the selected tasks."""

    list_id = forms.ChoiceField(required=False, label="List", widget=UnfoldAdminSelectWidget())
    priority = forms.ChoiceField(
        required=False,
        choices=[_LEFT, *((str(value), label) for value, label in Priority.choices)],
        widget=UnfoldAdminSelectWidget(),
    )
    # The browser's own calendar: Django's needs what only its forms of one row load.
    due_on = forms.DateField(required=False, label="Due on", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    clear_due = forms.BooleanField(
        required=False, label="Clear the due", help_text="Ends a series, too.", widget=UnfoldBooleanWidget()
    )
    add_labels = forms.CharField(
        required=False, help_text="One a line.", widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
    )
    remove_labels = forms.CharField(
        required=False,
        help_text="One a line, in any case.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )

    def __init__(self, *arguments: Any, owners: set[uuid.UUID], **options: Any) -> None:
        super().__init__(*arguments, **options)
        lists: forms.ChoiceField = self.fields["list_id"]  # type: ignore[assignment]  # as declared
        own = lists_of(*owners) if len(owners) == 1 else []
        lists.choices = [_LEFT, (_INBOX, "Inbox"), *own]
        if len(owners) > 1:
            lists.help_text = "Lists are a person’s own: to choose one, select tasks of one owner."

    def clean_due_on(self) -> Any:
        day = self.cleaned_data["due_on"]
        if day is not None and not FIRST_DATE <= day <= LAST_DATE:
            raise ValidationError("The due date is out of range.")
        return day

    def clean_add_labels(self) -> list[str]:
        labels = _lines(self.cleaned_data["add_labels"])
        for label in labels:
            validate_label(label)
            if len(label) > LABEL_MAX_LENGTH:
                raise ValidationError(f"A label has at most {LABEL_MAX_LENGTH} characters.")
        return labels

    def clean_remove_labels(self) -> list[str]:
        return _lines(self.cleaned_data["remove_labels"])

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if fields.get("due_on") and fields.get("clear_due"):
            self.add_error("clear_due", "Give a day, or clear the due: not both.")
        if not self.errors and not any(fields.values()):
            self.add_error(None, "Choose what shall change.")
        return fields

    def values(self) -> dict[str, Any]:
        """Return what is to be written, by column."""
        fields, values = self.cleaned_data, dict[str, Any]()
        if fields["list_id"]:
            values["list_id"] = None if fields["list_id"] == _INBOX else uuid.UUID(fields["list_id"])
        if fields["priority"]:
            values["priority"] = int(fields["priority"])
        if fields["due_on"] or fields["clear_due"]:
            values |= {"due_on": fields["due_on"], "due_at": None}
        if fields["add_labels"] or fields["remove_labels"]:
            removed, added = (Value(fields[f"{verb}_labels"], output_field=_LABELS) for verb in ("remove", "add"))
            values["labels"] = Func(F("labels"), removed, added, function="change_labels", output_field=_LABELS)
        return values


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\0", "").splitlines() if line.strip()]


def move_to_list(rows: Sequence[Task], list_id: uuid.UUID | None) -> None:
    """Move tasks, whose owners are locked, to the top of a list; what is below one of them goes along with it."""
    elsewhere = [row for row in rows if row.list_id != list_id]
    chosen, above = {(row.user_id, row.id) for row in elsewhere}, _parents(elsewhere)

    def goes_along(row: Task) -> bool:
        place = (row.user_id, row.parent_id)
        while place[1] is not None and place not in chosen:
            place = (row.user_id, above.get(place))
        return place in chosen

    tops = [row.pk for row in elsewhere if not goes_along(row)]
    Task.objects.filter(pk__in=tops).update(list_id=list_id, parent_id=None)


_Place = tuple[uuid.UUID, uuid.UUID | None]  # an owner and a task of theirs


def _parents(rows: Sequence[Task]) -> dict[_Place, uuid.UUID | None]:
    """Return the parent of each task and of all that are above them: a query for each level, five at most."""
    found: dict[_Place, uuid.UUID | None] = {(row.user_id, row.id): row.parent_id for row in rows}
    while missing := {(owner, up) for (owner, _), up in found.items() if up is not None and (owner, up) not in found}:
        owners, ids = zip(*missing, strict=True)
        above = Task.objects.filter(user_id__in=owners, id__in=ids).values_list("user_id", "id", "parent_id")
        found.update(dict.fromkeys(missing))
        found.update({(owner, task): up for owner, task, up in above})
    return found
