"""Asking once more before something is done to many rows, and offering to undo it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.utils.html import format_html

from todoproject.admin.paginator import MOST_COUNTED

_UNDONE = "undo_rows"  # in the session: what the last message offers to undo


def selects_all(request: HttpRequest) -> bool:
    """Tell whether an action is for all rows that match, not only for those of the page."""
    return request.POST.get("select_across") == "1"


def ask_first(
    model_admin: Any,
    request: HttpRequest,
    rows: "QuerySet[Any]",
    question: str,
    button: str,
    form: Form | None = None,
) -> HttpResponse | None:
    """Return the page that asks, with the number of rows; None where it has been answered, and `form` filled in well.

    More rows than are counted are refused: they would be locked for seconds, and nobody can have meant them one by one.
    """
    number = len(rows.order_by().values_list("pk", flat=True)[: MOST_COUNTED + 1])
    if number > MOST_COUNTED:
        text = f"More than {MOST_COUNTED:,} match, which is too many at once: filter them further."
        messages.error(request, text)
        return HttpResponseRedirect(request.get_full_path())
    if not number or ("confirmed" in request.POST and (form is None or form.is_valid())):
        return None
    noun = model_admin.opts.verbose_name if number == 1 else model_admin.opts.verbose_name_plural
    text = question.format(rows=f"{number:,} {noun}")
    rows_in_steps = number if selects_all(request) and form is None else 0
    return ask(model_admin, request, text, button, request.get_full_path(), form, rows_in_steps=rows_in_steps)


def ask(
    model_admin: Any,
    request: HttpRequest,
    question: str,
    button: str,
    back: str,
    form: Form | None = None,
    *,
    rows_in_steps: int = 0,
) -> HttpResponse:
    """Return a page that asks; its answer is what was sent, what is filled in, and `confirmed`.

    It is sent in steps (steps.py) if it is for many rows.
    """
    unneeded = ("csrfmiddlewaretoken", "confirmed", *(() if form is None else map(form.add_prefix, form.fields)))
    carried = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in unneeded and not name.startswith("form-")
    ]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": button,
        "opts": model_admin.opts,
        "question": question,
        "button": button,
        "carried": carried,
        "back": back,
        "form": form,
        "rows_in_steps": rows_in_steps,
    }
    return TemplateResponse(request, "admin/ask.html", context)


def offer_undo(request: HttpRequest, text: str, keys: Sequence[Any], address: str) -> None:
    """Tell what was done, with a button that undoes it; only the last can be undone so."""
    request.session[_UNDONE] = [str(key) for key in keys]
    form = (
        '{} <form action="{}" method="post" class="inline"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<button class="undo">Undo</button></form>'
    )
    messages.success(request, format_html(form, text, address, get_token(request)))


def taken_back(request: HttpRequest) -> list[str]:
    """Return the rows of the last offer, once."""
    keys: list[str] = request.session.pop(_UNDONE, [])
    return keys
