"""The pages for people: guide, reference, errors and changelog, with one navigation."""

from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString, mark_safe

from todoproject.http.problems import CATALOGUE, ProblemType
from todoproject.openapi.document import ADDRESS, GUIDE
from todoproject.pages import markdown


def home(request: HttpRequest) -> HttpResponse:
    """Lead whoever opens the bare address to the documentation."""
    return redirect("docs")


def swagger(request: HttpRequest) -> HttpResponse:
    """Show the OpenAPI document in Swagger UI, from our own files."""
    return render(request, "docs/swagger.html", {"here": "docs"})


def guide(request: HttpRequest) -> HttpResponse:
    """Show the guide that the OpenAPI document begins with."""
    # Its examples, for this server: whoever pastes them shall not ask another one, or none.
    content = mark_safe(_guide().replace(ADDRESS, request.build_absolute_uri("/")[:-1]))  # noqa: S308 -- a checked host
    return render(request, "docs/page.html", {"here": "guide", "title": "Guide", "content": content})


def changelog(request: HttpRequest) -> HttpResponse:
    """Show what has changed; 404 where the file was not brought along."""
    if not (content := _changelog()):
        raise Http404
    return render(request, "docs/page.html", {"here": "changelog", "title": "Changelog", "content": content})


@cache
def _guide() -> SafeString:
    return markdown.html(f"# Guide to the Todo API\n\n{GUIDE.read_text('utf-8')}")


@cache
def _changelog() -> SafeString | None:
    file = settings.BASE_DIR / "CHANGELOG.md"
    return markdown.html(file.read_text("utf-8")) if file.is_file() else None


def error_index(request: HttpRequest) -> HttpResponse:
    """Show every type of error."""
    return render(request, "docs/errors.html", {"here": "errors", "types": _explained(*CATALOGUE.values())})


def error(request: HttpRequest, code: str) -> HttpResponse:
    """Show one type of error: what a problem document's `type` leads to."""
    if code not in CATALOGUE:
        raise Http404
    return render(request, "docs/errors.html", {"here": "errors", "types": _explained(CATALOGUE[code])})


def _explained(*types: ProblemType) -> list[tuple[ProblemType, SafeString]]:
    """Return each type with its description in HTML."""
    return [(each, markdown.line(each.description)) for each in types]
