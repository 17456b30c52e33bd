"""Time the admin's pages from inside Django; bench/admin.py starts it in a process with the product's settings."""

import json
import time
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from bench.dataset import NOUNS

# Far enough into the list that a page found by counting rows would show it.
_DEEP_PAGE = 50


def pages(staff: User) -> Iterator[tuple[str, str]]:
    """Yield a name and a path for every page that a registered model has, and the page they are all on."""
    yield "index", reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        label = str(model._meta.verbose_name_plural)
        listing = reverse(f"{name}_changelist")
        yield f"{label}: list", listing
        yield f"{label}: page {_DEEP_PAGE}", f"{listing}?p={_DEEP_PAGE}"
        if model_admin.search_fields:
            yield f"{label}: search", f"{listing}?q={NOUNS[0]}"
            yield f"{label}: search for nothing", f"{listing}?q=zzzzzz"
        for title, query in _filters(model_admin, listing, staff):
            yield f"{label}: by {title}", listing + query
        for column in range(1, len(model_admin.list_display) + 1):
            yield f"{label}: sorted by column {column}", f"{listing}?o={column}"
        if (row := model._default_manager.order_by("pk").last()) is not None:
            yield f"{label}: change", reverse(f"{name}_change", args=[row.pk])
            yield f"{label}: history", reverse(f"{name}_history", args=[row.pk])
        yield f"{label}: add", reverse(f"{name}_add")


def _filters(model_admin: "ModelAdmin[Model]", listing: str, staff: User) -> Iterator[tuple[str, str]]:
    """Yield, for each filter, its title and the query of its last choice."""
    request = RequestFactory().get(listing)
    request.user = staff
    changelist = model_admin.get_changelist_instance(request)
    for spec in changelist.filter_specs:
        choices = [str(choice["query_string"]) for choice in spec.choices(changelist) if choice.get("query_string")]
        if choices:
            yield str(spec.title), choices[-1]


def measure(client: Client, path: str, rounds: int) -> dict[str, Any]:
    """Ask for a page once for its queries, then again and again for its time."""
    queries: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        status = client.get(path, secure=True).status_code
    return {"path": path, "status": status, "queries": len(queries), "ms": [_time(client, path) for _ in range(rounds)]}


def _time(client: Client, path: str) -> float:
    started = time.perf_counter()
    client.get(path, secure=True)
    return (time.perf_counter() - started) * 1000


def main(rounds: int) -> None:
    """Print JSON: for each page its name, path, status and queries, and its milliseconds in each round."""
    staff = User.objects.create_superuser("bench-staff@example.com")
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(staff)
    print(json.dumps([{"page": name, **measure(client, path, rounds)} for name, path in pages(staff)]))
