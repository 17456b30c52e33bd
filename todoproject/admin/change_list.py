"""The lists of the admin: which filters an address may ask for, how a page of one is found, and what it is sorted by.

What an address may filter by is an allow-list, for every model, here: the filters that the list shows, and the columns
that links of ours name (`ModelAdmin.linked_lookups`). Django alone would take every lookup on every column, and a page
that is there or not there tells a password's hash letter by letter.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import capfirst
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter, RangeDateFilter
from unfold.utils import parse_date_str
from unfold.views import ChangeList as UnfoldChangeList

REFUSED = (DisallowedModelAdminLookup, DisallowedModelAdminToField)
_NAME = re.compile(r"[a-z_]{1,60}")  # what may be told in the audit: a name of ours, not whatever somebody made up


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is in use, in words, and the address of the list without it."""

    text: str
    address: str


class ChangeList(UnfoldChangeList):
    """A list that reads its filters' table once, and sorts by nothing that would read all of it."""

    def __init__(self, request: HttpRequest, *arguments: Any) -> None:
        self.misunderstood: list[str] = []  # filters whose values say nothing; the list is empty then
        super().__init__(request, *arguments)
        self.title = capfirst(str(self.opts.verbose_name_plural))  # Django's says what to select there, and for what
        self.note: str = self.model_admin.list_note(request)  # type: ignore[attr-defined]  # ours has one
        if self.misunderstood:
            text = f"Nothing is listed: {'; '.join(self.misunderstood)}."
            messages.error(request, text)

    @property
    def linked(self) -> frozenset[str]:
        """The columns that links of ours filter by."""
        return frozenset(getattr(self.model_admin, "linked_lookups", ()))

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Return what is asked for; a form sends a field that was left empty, too."""
        asked: Any = super().get_filters_params(params).items()
        return {name: given for name, values in asked if (given := [value for value in values if value != ""])}

    def get_filters(self, request: HttpRequest) -> Any:
        """Make the filters, and refuse whatever none of them and no link of ours has asked for."""
        asked = self.get_filters_params()
        try:
            found: Any = super().get_filters(request)
        except IncorrectLookupParameters as error:  # the name of no column
            raise DisallowedModelAdminLookup(f"Filtering by {', '.join(asked)} not allowed") from error
        specs, _, links, *_ = found
        if unknown := links.keys() - self.linked:
            raise DisallowedModelAdminLookup(f"Filtering by {', '.join(sorted(unknown))} not allowed")
        self.misunderstood += [text for spec in specs for text in _misunderstood(spec)]
        self.misunderstood += [f"“{value}” is no id" for values in links.values() for value in values if not _id(value)]
        if any("\0" in value for values in asked.values() for value in values):
            self.misunderstood.append("a filter has a character that no text has")
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> "models.QuerySet[Any]":
        """Return what the filters find: nothing, where one of them was not understood."""
        try:
            rows: models.QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        except IncorrectLookupParameters:
            self.misunderstood = self.misunderstood or ["a filter has a value that it does not know"]
            rows = self.root_queryset
        return rows.none() if self.misunderstood else rows

    @cached_property
    def chips(self) -> list[Chip]:
        """Return what is searched and filtered for, each with the address that leaves it out."""
        asked = self.get_filters_params()
        chips = [Chip(f"search: {self.query}", self._without("q"))] if self.query else []
        for spec in self.filter_specs:
            used = [str(name) for name in spec.expected_parameters() if name in asked]
            if used:
                words = " ".join(_in_words(spec, name, asked[name][-1]) for name in used)
                chips.append(Chip(f"{spec.title}: {words}", self._without(*used)))
        links = sorted(self.linked & asked.keys())
        return chips + [Chip(f"{name.replace('_', ' ')}: {asked[name][-1]}", self._without(name)) for name in links]

    def _without(self, *names: str) -> str:
        return str(self.get_query_string(dict.fromkeys(names)))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        if request.method == "POST" and "_save" in request.POST:
            # The rows that were on the page, in that order: others may have come before them since.
            posted = [
                request.POST.get(f"form-{number}-{self.lookup_opts.pk.name}", "")
                for number in range(self.list_per_page)
            ]
            rows = {str(row.pk): row for row in self._rows(filter(self._is_key, posted))}
            self.result_list = [rows[key] for key in posted if key in rows]
        else:
            keys = self.paginator.keys(self.page_num if self.multi_page else 1)
            self.result_list = self._rows(keys).order_by(*self.queryset.query.order_by)

    def _rows(self, keys: Iterable[Any]) -> "models.QuerySet[Any]":
        rows: models.QuerySet[Any] = self.apply_select_related(self.root_queryset.filter(pk__in=list(keys)))
        return rows

    def _is_key(self, text: str) -> bool:
        try:
            self.lookup_opts.pk.to_python(text)
        except ValidationError:
            return False
        return bool(text)

    def get_ordering_field(self, field_name: Any) -> Any:
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None  # the list does not offer it; an address can be made up
        return super().get_ordering_field(field_name)


class DayRangeFilter(RangeDateFilter):
    """From one day to another, both included; days are days of UTC."""

    def queryset(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
        first, last = self.day("from"), self.day("to")
        if first:
            queryset = queryset.filter(self.condition("gte", first, time.min))
        if last:
            queryset = queryset.filter(self.condition("lte", last, time.max))
        return queryset

    def day(self, end: str) -> date | None:
        """Return the day that was asked for; None where there is none, or none that can be read."""
        return parse_date_str(self.typed(end))

    def typed(self, end: str) -> str:
        """Return what was typed in, the empty string where nothing was."""
        return str(self.used_parameters.get(f"{self.parameter_name}_{end}", "")).strip()

    def condition(self, comparison: str, day: date, of_day: time) -> models.Q:
        return models.Q((f"{self.field_path}__{comparison}", datetime.combine(day, of_day, UTC)))


class PersonFilter(AutocompleteSelectFilter):
    """By a person, found while their e-mail is typed."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        if not _id(str(self.value() or "")):
            self.lookup_val = None  # the form would ask the database for what is no id
        yield from super().choices(changelist)


def refused_names(request: HttpRequest) -> list[str]:
    """Return what an address asked to filter by, as the audit may keep it: names without their values."""
    return sorted({name for name in request.GET if _NAME.fullmatch(name)})[:10]


def _misunderstood(spec: Any) -> list[str]:
    if isinstance(spec, DayRangeFilter):
        typed = [spec.typed(end) for end in ("from", "to") if spec.typed(end) and spec.day(end) is None]
        return [f"“{text}” is no day; write it like 2026-12-31" for text in typed]
    if isinstance(spec, SimpleListFilter):
        value = spec.value()
        known = {str(choice) for choice, _ in spec.lookup_choices}
        return [] if value is None or value in known else [f"“{value}” is no {spec.title}"]
    # Django takes "is empty" for each choice, too, and Unfold's filters then filter nothing.
    used = getattr(spec, "lookup_kwarg_isnull", None) in spec.used_parameters
    return [f"{spec.title} is not asked for by “isnull”"] if used else []


def _in_words(spec: Any, name: str, value: str) -> str:
    """Return what a filter's value is called on the page."""
    if isinstance(spec, DayRangeFilter):
        return f"{'from' if name.endswith('_from') else 'to'} {value}"
    if isinstance(spec, BooleanRadioFilter):
        return {"1": "yes", "0": "no"}.get(value, value)
    if isinstance(spec, PersonFilter):
        people: Any = spec.field.related_model
        return str(people.objects.filter(pk=value).first() or value) if _id(value) else value
    choices = spec.lookup_choices if isinstance(spec, SimpleListFilter) else getattr(spec.field, "flatchoices", ())
    return next((str(label) for choice, label in choices if str(choice) == value), value)


def _id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
