"""Time the admin's pages from inside Django; bench/admin.py starts it in a process with the product's settings."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from accounts.staff import second_factor
from bench.dataset import NOUNS
from tasks.admin import statistics

# Nothing finds what is in every title but by reading all of it.
_SEARCHES = {
    "a word": NOUNS[0],
    "a word of every task": "the",
    "words": f"{NOUNS[0]}+{NOUNS[1]}",
    "nothing": "zzzzzz",
    "an e-mail": "user77@example.com",
}


def pages(staff: User) -> Iterator[tuple[str, str]]:
    """Yield a name and a path for every page that a registered model has, and the page they are all on."""
    yield "index", reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        label = str(model._meta.verbose_name_plural)
        listing = reverse(f"{name}_changelist")
        yield f"{label}: list", listing
        if (last := model_admin.get_changelist_instance(_request(listing, staff)).paginator.num_pages) > 1:
            yield f"{label}: the last page, {last}", f"{listing}?p={last}"
        if model_admin.search_fields:
            for title, words in _SEARCHES.items():
                yield f"{label}: search for {title}", f"{listing}?q={words}"
        for title, query in _filters(model_admin, listing, staff):
            yield f"{label}: by {title}", listing + query
        for column in range(1, len(model_admin.list_display) + 1):
            yield f"{label}: sorted by column {column}", f"{listing}?o={column}"
        if (row := model._default_manager.order_by("pk").last()) is not None:
            yield f"{label}: change", reverse(f"{name}_change", args=[row.pk])
            yield f"{label}: history", reverse(f"{name}_history", args=[row.pk])
        if model_admin.has_add_permission(_request(listing, staff)):  # nobody adds to the audit
            yield f"{label}: add", reverse(f"{name}_add")


def _request(path: str, staff: User) -> HttpRequest:
    request = RequestFactory().get(path)
    request.user = staff
    return request


def _filters(model_admin: "ModelAdmin[Model]", listing: str, staff: User) -> Iterator[tuple[str, str]]:
    """Yield, for each filter, its title and the query of each choice."""
    changelist = model_admin.get_changelist_instance(_request(listing, staff))
    for spec in changelist.filter_specs:
        for choice in spec.choices(changelist):
            if query := str(choice.get("query_string") or ""):
                yield f"{spec.title}, {choice['display']}", query
        # Days are typed in, so there is no choice of them.
        if len(names := spec.expected_parameters()) == 2 and all(
            name and name.endswith(("_from", "_to")) for name in names
        ):
            first, last = (str(name) for name in names)
            yield f"{spec.title}, a week", f"?{first}=2026-03-01&{last}=2026-03-07"
            yield f"{spec.title}, none", f"?{first}=9999-01-01"


def measure(client: Client, path: str, rounds: int) -> dict[str, Any]:
    """Ask for a page once for its queries, then again and again for its time."""
    queries: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    statistics.kept = statistics.Kept()  # else the dashboard is read anew once a minute
    with connection.execute_wrapper(count):
        response = client.get(path, secure=True)
    if response.status_code != 200:
        sys.exit(f"{path} is answered {response.status_code}")
    return {"path": path, "queries": len(queries), "ms": [_time(client, path) for _ in range(rounds)]}


def _time(client: Client, path: str) -> float:
    statistics.kept = statistics.Kept()
    started = time.perf_counter()
    client.get(path, secure=True)
    return (time.perf_counter() - started) * 1000


def main(rounds: int) -> None:
    """Print JSON: for each page its name, path and queries, and its milliseconds in each round."""
    staff = User.objects.create_superuser("bench-staff@example.com")
    second_factor.set_up(staff, second_factor.new_secret(), 0)  # without one there is no page but that to set it up
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(staff)
    print(json.dumps([{"page": name, **measure(client, path, rounds)} for name, path in pages(staff)]))
