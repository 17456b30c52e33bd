"""The admin's export pages: of a list as it is filtered and searched, in one of three formats."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from todoproject.admin.exports import rows as streams
from todoproject.admin.exports.cells import converter
from todoproject.admin.exports.formats import FORMATS

# Each one's export: it costs queries, a thread's time and memory.
_under_way: WeakValueDictionary[Any, "_Export"] = WeakValueDictionary()
_SUFFIXES = {"csv": "CSV", "json": "JSON", "xlsx": "Excel (XLSX)"}


class ExportPages(ModelAdmin):
    """Gives a model's admin the pages `export/` and `export/file/`, where it names what is exported."""

    # The name of each column in the file, and the path of its value from the model; none: no export.
    export_columns: ClassVar[Mapping[str, str]] = {}

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Taking a whole list along is more than looking at its pages: it needs the right to export people, too."""
        may_export: bool = request.user.has_perm("accounts.export_user")
        return bool(self.export_columns) and may_export and bool(self.has_view_permission(request))

    def get_urls(self) -> list[URLPattern]:
        views = {"export/": ("export", self.export_view), "export/file/": ("export_file", self.export_file_view)}
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(route, self.admin_site.admin_view(view), name=f"{name}_{suffix}")
            for route, (suffix, view) in views.items()
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"has_export_permission": self.has_export_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Say what would be exported, and offer the formats."""
        changes = self.exported(request)
        if changes is None:
            return HttpResponseRedirect(self._address("changelist"))
        query = request.GET.urlencode()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Export {self.opts.verbose_name_plural}",
            "opts": self.opts,
            "cl": changes,
            "filters": filter_names(changes),
            "rows": _estimate(changes.queryset) if changes.paginator.is_capped else changes.result_count,
            "is_estimate": changes.paginator.is_capped,
            "columns": list(self.export_columns),
            "formats": _SUFFIXES,
            "file_address": f"{self._address('export_file')}?{query}",
            "list_address": f"{self._address('changelist')}?{query}",
        }
        return TemplateResponse(request, "admin/export.html", context)

    def export_file_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Stream the file; in frames that tell how far it is, where the page's script asks for them.

        By POST, so that no other site's link makes somebody export what they did not mean to.
        """
        if request.method != "POST" or request.POST.get("format") not in FORMATS:
            raise BadRequest
        changes = self.exported(request)
        if changes is None:
            return HttpResponseRedirect(self._address("changelist"))
        suffix = request.POST["format"]
        title = str(self.opts.verbose_name_plural)
        name = f"{title.replace(' ', '-')}-{timezone.now():%Y-%m-%d}.{suffix}"
        file = FORMATS[suffix](title, list(self.export_columns))
        is_framed = request.headers.get("X-Export") == "frames"
        response = _Export(
            request.user.pk,
            streams.stream(file, self._chunks(changes.queryset), is_framed),
            content_type="application/octet-stream" if is_framed else file.content_type,
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # a proxy that gathers the whole answer first would show no progress
            },
        )
        if _under_way.setdefault(response.reader, response) is not response:
            return HttpResponse("Another export of yours is under way.", status=429, headers={"Retry-After": "10"})
        self.log_export(request, suffix, changes)
        return response

    def log_export(self, request: HttpRequest, suffix: str, changes: Any) -> None:
        """Record that somebody takes a list along."""

    def exported(self, request: HttpRequest) -> Any:
        """Return the list as it is filtered; None where its address makes no sense. Raises PermissionDenied."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            changes: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            self.message_user(request, "There is no such list to export.", messages.WARNING)
            return None
        return None if changes.misunderstood else changes  # which has told already

    def _chunks(self, rows: "QuerySet[Any]") -> Iterator[list[Any]]:
        paths = list(self.export_columns.values())
        converters = {number: found for number, path in enumerate(paths) if (found := converter(self.model, path))}
        return map(partial(_converted, converters=converters), streams.chunks(rows, paths))

    def _address(self, view: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}")


class _Export(StreamingHttpResponse):
    """A file on its way, until which is read or closed its reader gets no other one from this process."""

    def __init__(self, reader: Any, pieces: AsyncGenerator[bytes, None], **options: Any) -> None:
        super().__init__(self._read(pieces), **options)
        self.reader = reader

    async def _read(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in pieces:
                yield piece
        finally:
            self._end()
            await pieces.aclose()

    def close(self) -> None:
        """End it also where nobody has begun to read: a client may go before the first piece."""
        super().close()
        self._end()

    def _end(self) -> None:
        if _under_way.get(self.reader) is self:
            del _under_way[self.reader]


def _converted(rows: list[Any], converters: dict[int, Callable[[Any], Any]]) -> list[Any]:
    if not converters:
        return rows
    return [
        [converters[number](value) if number in converters else value for number, value in enumerate(row)]
        for row in rows
    ]


def filter_names(changes: Any) -> list[str]:
    """Return the names of the filters that are in use, without their values, which may be personal."""
    return [
        spec.title
        for spec in changes.filter_specs
        if any(name in changes.params for name in spec.expected_parameters())
    ]


def _estimate(rows: "QuerySet[Any]") -> int:
    """Return how many rows PostgreSQL's planner expects, in thousands."""
    (plan,) = json.loads(rows.order_by().explain(format="json"))
    return round(int(plan["Plan"]["Plan Rows"]), -3)
