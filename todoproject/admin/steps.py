"""An action on all rows that match, in steps, so that the page which asks can say how far it is (admin.js).

Each step is a request and a transaction of its own. What is done stays done where somebody stops, and the last step
tells of all. Without JavaScript the same form does everything at once.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from todoproject.admin.paginator import MOST_COUNTED

ROWS = 100  # a second at most, also on a busy machine
_HEADER, _STOP = "X-Step", "stop"
_KEPT = "action_steps"  # in the session: which rows the steps have looked at, and which they have changed


class Step:
    """The rows of one step: the next ones that none has looked at, none where somebody has stopped."""

    def __init__(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        self._kept = {"looked": [], "done": []} if _number(request) == "1" else request.session[_KEPT]
        rest = queryset.exclude(pk__in=self._kept["looked"]).order_by("pk").values_list("pk", flat=True)
        self.keys = [] if _number(request) == _STOP else list(rest[:ROWS])
        self.rows = queryset.filter(pk__in=self.keys)
        self._request = request

    @property
    def looked(self) -> int:
        """How many rows all steps have looked at."""
        return len(self._kept["looked"])

    @property
    def is_last(self) -> bool:
        return len(self.keys) < ROWS or self.looked >= MOST_COUNTED

    def end(self, changed: Sequence[Any]) -> list[str]:
        """Keep what this step has done; return the keys of all that the steps have changed."""
        self._kept["looked"] += map(str, self.keys)
        self._kept["done"] += [str(row.pk) for row in changed]
        self._request.session[_KEPT] = self._kept
        self._request.step = self  # type: ignore[attr-defined]  # for `answer`
        return list(self._kept["done"])


def begin(request: HttpRequest, queryset: "QuerySet[Any]") -> Step | None:
    """Return the step that is asked for; None where the action is to be done at once."""
    is_stepped = request.POST.get("select_across") == "1" and _number(request)
    is_known = _number(request) == "1" or _KEPT in request.session
    return Step(request, queryset) if is_stepped and is_known else None


def answer(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Tell the page how far it is, instead of leading it on; whatever else a step is answered goes as it is."""
    step: Step | None = getattr(request, "step", None)
    if step is None or not isinstance(response, HttpResponseRedirect):
        return response
    if step.is_last:
        del request.session[_KEPT]
    return JsonResponse({"looked": step.looked, "is_last": step.is_last, "next": response.url})


def _number(request: HttpRequest) -> str:
    return request.headers.get(_HEADER, "")
