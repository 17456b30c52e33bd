"""The pages for people: the API's documentation and the catalogue of its errors."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from todoproject.problems import CATALOGUE


def home(request: HttpRequest) -> HttpResponse:
    """Lead whoever opens the bare address to the documentation."""
    return redirect("docs")


def swagger(request: HttpRequest) -> HttpResponse:
    """Show the OpenAPI document in Swagger UI, from our own files."""
    return render(request, "docs/swagger.html")


def error_index(request: HttpRequest) -> HttpResponse:
    """Show every type of error."""
    return render(request, "docs/errors.html", {"types": CATALOGUE.values()})


def error(request: HttpRequest, code: str) -> HttpResponse:
    """Show one type of error: what a problem document's `type` leads to."""
    if code not in CATALOGUE:
        raise Http404
    return render(request, "docs/errors.html", {"types": [CATALOGUE[code]]})
