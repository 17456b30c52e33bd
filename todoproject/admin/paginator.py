"""Pages of a long list, found without counting or reading a whole table more than once."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet

MOST_COUNTED = 1_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Finds the primary keys of a list up to a limit, and says where there are more.

    One query both counts and finds the page: where no index serves a filter, a table is read once, not twice. Counting
    it whole would take longer than showing its first page.
    """

    template_name = "admin/capped_pagination.html"

    @cached_property
    def _keys(self) -> list[Any]:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin pages querysets only
        return list(rows.select_related(None).values_list("pk", flat=True)[: MOST_COUNTED + 1])

    @cached_property
    def count(self) -> int:
        return min(len(self._keys), MOST_COUNTED)

    @property
    def is_capped(self) -> bool:
        return len(self._keys) > MOST_COUNTED

    def keys(self, number: int) -> list[Any]:
        """Return the primary keys of one page."""
        page = self.validate_number(number)
        return self._keys[(page - 1) * self.per_page : min(page * self.per_page, self.count)]
