"""What has changed, the history of it, and undoing it."""

from collections.abc import Mapping
from typing import Any, Literal

from todo_client.models import Change, ChangesPage, HistoryEntry, Page
from todo_client.operations import Operation, get, reading, segment, write


def page(cursor: str | None = None, *, page_size: int | None = None) -> Operation[ChangesPage]:
    """Get what has changed after the cursor, each thing once and as it is now; from the beginning without one.

    The cursor "now" gives no items, only where to go on from. Raises SyncExpired where what was missed is purged.
    """
    return get("/v1/changes", _page, {"cursor": cursor, "limit": page_size})


def _page(document: Mapping[str, Any]) -> ChangesPage:
    items = [Change.read(one) for one in document["items"]]
    return ChangesPage(items, document["next_cursor"], document["has_more"])


def undo(change_no: int) -> Operation[list[Change]]:
    """Undo all that the request has changed which took this number; return what was changed by that.

    Raises UndoConflict where some of it has changed again since, and NotUndoable.
    """
    path = f"/v1/changes/{change_no}/undo"
    return write("POST", path, reading(lambda document: [Change.read(one) for one in document["items"]]))


def history(
    kind: Literal["task", "list"] | None = None,
    id: str | None = None,
    *,
    page_size: int | None = None,
    cursor: str | None = None,
) -> Operation[Page[HistoryEntry]]:
    """Get one page of history, newest first: of all, or of one task or list."""
    path = "/v1/history" if kind is None or id is None else f"/v1/{kind}s/{segment(id)}/history"
    return get(path, _history, {"limit": page_size, "cursor": cursor})


def _history(document: Mapping[str, Any]) -> Page[HistoryEntry]:
    return Page([HistoryEntry.read(one) for one in document["items"]], document["next_cursor"])
