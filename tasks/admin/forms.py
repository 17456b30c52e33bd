"""The form of one task: besides its columns how it recurs and when its owner is reminded, as it can be typed."""

import re
from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import validate_timezone
from tasks.admin import series
from tasks.models import FIRST_INSTANT, LAST_INSTANT, MOST_MINUTES_BEFORE, MOST_REMINDERS, Task
from tasks.recurrence import Series, written
from tasks.recurrence.rules import MOST_CHARACTERS, RuleRefused, parse
from todoproject.admin.edit_conflicts import WatchedForm

# Fields that are no columns, and the column that each is part of.
RECURRENCE = ("rule", "counts_from", "zone", "missed")
OF_SERIES = (*RECURRENCE, "remind")

_MINUTES = re.compile(r"(\d{1,5})(?: min(?:ute)?s?(?: before)?)?", re.IGNORECASE | re.ASCII)


class TaskForm(WatchedForm):
    """A task as staff edit it."""

    rule = forms.CharField(
        required=False,
        max_length=MOST_CHARACTERS,
        label="Repeats by the rule",
        widget=UnfoldAdminTextInputWidget(),
        help_text="Such as FREQ=DAILY, or FREQ=WEEKLY;BYDAY=MO,TH (an RRULE). Empty: it does not recur. Another rule"
        " begins the series anew with the due above.",
    )
    counts_from = forms.ChoiceField(
        required=False,
        label="Next one counts from",
        choices=[("due", "The rule’s rhythm"), ("completion", "The day of completion")],
        widget=UnfoldAdminSelectWidget(),
    )
    missed = forms.ChoiceField(
        required=False,
        label="What was missed",
        choices=[("skip", "Is skipped"), ("keep", "Is to be done, each")],
        widget=UnfoldAdminSelectWidget(),
    )
    zone = forms.CharField(
        required=False,
        label="Time zone",
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Such as Europe/Berlin. Empty: the owner’s.",
    )
    remind = forms.CharField(
        required=False,
        label="Reminders",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=f"One a line, {MOST_REMINDERS} at most: “15 minutes before”, or a moment in UTC such as “2026-12-01"
        " 08:00 UTC”.",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        how = self.instance.recurrence or {}
        self.initial = {
            **self.initial,
            "rule": how.get("rule", ""),
            "counts_from": how.get("from", "due"),
            "missed": how.get("missed", "skip"),
            "zone": how.get("timezone", ""),
            "remind": "\r\n".join(series.reminder(each) for each in self.instance.reminders),
        }

    @cached_property
    def changed_data(self) -> list[str]:
        """Return what has changed; what was not sent at all has not."""
        return [name for name in super().changed_data if name not in OF_SERIES or self.add_prefix(name) in self.data]

    def clean_rule(self) -> str:
        text = self.cleaned_data["rule"].strip()
        try:
            return parse(text).text if text else ""
        except RuleRefused as error:
            raise ValidationError(str(error)) from None

    def clean_zone(self) -> str:
        name: str = self.cleaned_data["zone"].strip()
        if name:
            validate_timezone(name)
        return name

    def clean_remind(self) -> list[dict[str, Any]]:
        lines = [line.strip() for line in self.cleaned_data["remind"].splitlines() if line.strip()]
        if len(lines) > MOST_REMINDERS:
            raise ValidationError(f"A task has at most {MOST_REMINDERS} reminders.")
        return [_reminder(line) for line in lines]

    def clean(self) -> dict[str, Any]:
        fields = super().clean()
        if fields.get("rule") and "rule" not in self.errors:
            self._refuse_unfit(fields)
        return fields

    def _refuse_unfit(self, fields: dict[str, Any]) -> None:
        """Refuse a rule without a due, and one that goes on nowhere: it begins anew where it, or its form, changes."""
        due = fields.get("due_at") or fields.get("due_on")
        begins = bool({"rule", "counts_from"} & {*self.changed_data})
        if due is None and begins:  # else clearing the due ends the series
            self.add_error("rule", "What recurs needs a due: its first occurrence.")
        if due is None or not begins:
            return
        try:
            Series.of(fields["rule"], fields.get("zone") or self._owners_zone(), _in_utc(due)).check()
        except RuleRefused as error:
            self.add_error("rule", str(error))

    def _owners_zone(self) -> str:
        owner = self.cleaned_data.get("user") or (self.instance.user if self.instance.user_id else None)
        return owner.timezone if owner is not None else "UTC"

    def put_series(self, task: Task) -> None:
        """Put what was typed into the columns, and count these among what has changed."""
        changed = {*self.changed_data}
        if changed & {*RECURRENCE}:
            task.recurrence = self._recurrence()
            self.changed_data.append("recurrence")
        if "remind" in changed:
            task.reminders = self.cleaned_data["remind"]
            self.changed_data.append("reminders")

    def _recurrence(self) -> dict[str, Any] | None:
        sent = {name: self.cleaned_data[name] for name in RECURRENCE if self.add_prefix(name) in self.data}
        said = {name: self.initial[name] for name in RECURRENCE} | sent
        if not said["rule"]:
            return None
        how = {"rule": said["rule"], "from": said["counts_from"] or "due", "missed": said["missed"] or "skip"}
        return how | ({"timezone": said["zone"]} if said["zone"] else {})


def _in_utc(due: date) -> date:
    return due.astimezone(UTC) if isinstance(due, datetime) else due


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _reminder(line: str) -> dict[str, Any]:
    if match := _MINUTES.fullmatch(line):
        if int(match[1]) > MOST_MINUTES_BEFORE:
            raise ValidationError(f"At most {MOST_MINUTES_BEFORE:,} minutes before: four weeks.")
        return {"minutes_before": int(match[1])}
    try:
        moment = _aware(datetime.fromisoformat(re.sub(r"\s*(UTC|Z)$", "", line)))
    except (ValueError, OverflowError):
        raise ValidationError(f"“{line[:40]}” is neither “15 minutes before” nor “2026-12-01 08:00 UTC”.") from None
    if not FIRST_INSTANT <= moment <= LAST_INSTANT:
        raise ValidationError("The reminder is out of range.")
    return {"at": written(moment)}
