"""Two people, one row: what a page has shown is compared with what the row is now, under its lock.

Each page carries a mark of every row it shows, in a hidden field. Where the row has another mark when the page comes
back, somebody else has changed it, and the person is told instead of overwriting what they never saw.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.forms import ModelForm
from django.utils.crypto import salted_hmac

CHANGED = (
    "Not saved: somebody else has changed this since you opened the page. What you see here is your input; open the "
    "page anew to see theirs."
)


def field_name(row: Model) -> str:
    """Return the name of the hidden field that carries a row's mark."""
    return f"_seen-{row.pk}"


def digest(row: Model, unwatched: tuple[str, ...] = ()) -> str:
    """Return a mark of the columns of `row` that people edit, less those named, which change by themselves."""
    columns = (field for field in row._meta.concrete_fields if field.editable and field.name not in unwatched)
    return _keyed([(field.name, field.value_to_string(row)) for field in columns])


def relations(row: Model, unwatched: tuple[str, ...] = ()) -> str:
    """Return a mark of the many-to-many relations of `row`, the empty string where it has none."""
    related = [field.name for field in row._meta.many_to_many if field.name not in unwatched]
    return _keyed([sorted(str(key) for key in getattr(row, name).values_list("pk", flat=True)) for name in related])


def _keyed(values: list[Any]) -> str:
    # Keyed: what is on no page must not be guessable from the mark.
    return salted_hmac("todoproject.conflicts", repr(values), algorithm="sha256").hexdigest()[:24] if values else ""


class WatchedForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form that is refused where its row is no longer the one that the page has shown."""

    mark: Callable[[Any], str]

    def clean(self) -> dict[str, Any]:
        # The instance is still as the database has it: the input is put into it after this.
        fields = super().clean() or self.cleaned_data
        if not self.instance._state.adding and self._is_stale():
            self.add_error(None, CHANGED)
        return fields

    def _is_stale(self) -> bool:
        return self.has_changed() and self.data.get(field_name(self.instance)) != self.mark(self.instance)


class WatchedRowForm(WatchedForm):
    """One row of a list that can be edited: what is compared for changes is what the page showed, not what is now."""

    may_change: Callable[[Any], bool]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for field in self.fields.values():
            # Else a row that somebody else has changed, and this person has not, would look changed back.
            field.show_hidden_initial = True
            field.widget.attrs["aria-label"] = f"{field.label} of {self.instance}"  # its label is the column's head
            field.disabled = not self.may_change(self.instance)
