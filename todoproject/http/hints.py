"""What somebody may have meant who names a member or a parameter that there is not.

By meaning first: what other APIs call it, wherever a noun of ours has that meaning. Then by spelling.
"""

import difflib
from collections.abc import Collection

# Each with what it may be here; the first that the object in question has is told.
_MEANINGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("content", "name", "summary", "subject", "text", "task", "label", "what"), ("title", "name")),
    **dict.fromkeys(("title",), ("name",)),
    **dict.fromkeys(("notes", "note", "details", "detail", "body", "desc", "comment", "memo"), ("description",)),
    **dict.fromkeys(
        ("completed", "done", "is_done", "checked", "is_checked", "complete", "finished", "status", "state", "closed"),
        ("is_completed",),
    ),
    **dict.fromkeys(("completed_on", "completed_date", "date_completed", "done_at", "closed_at"), ("completed_at",)),
    **dict.fromkeys(("due_date", "duedate", "due_day", "deadline", "date", "due", "deadline_date"), ("due_on",)),
    **dict.fromkeys(("due_datetime", "due_time", "due_date_time", "duetime", "datetime"), ("due_at",)),
    **dict.fromkeys(("due_until", "due_till", "due_lt", "due_max", "before", "until"), ("due_before",)),
    **dict.fromkeys(("due_since", "due_from", "due_gt", "due_min", "after", "since"), ("due_after",)),
    **dict.fromkeys(("created_since", "created_from", "created_gt"), ("created_after",)),
    **dict.fromkeys(("updated_since", "modified_since", "modified_after", "changed_since"), ("updated_after",)),
    **dict.fromkeys(("completed_since", "completed_from", "done_after"), ("completed_after",)),
    **dict.fromkeys(("completed_until", "completed_till", "done_before"), ("completed_before",)),
    **dict.fromkeys(("prio", "importance", "urgency"), ("priority",)),
    **dict.fromkeys(("search", "query", "filter", "keyword", "keywords", "term", "s"), ("q",)),
    **dict.fromkeys(("page", "offset", "skip", "start", "page_token", "starting_after", "next"), ("cursor",)),
    **dict.fromkeys(("page_size", "pagesize", "per_page", "perpage", "size", "max_results", "count"), ("limit",)),
    **dict.fromkeys(("sort_by", "sortby", "order", "order_by", "orderby", "ordering", "sorting"), ("sort",)),
    **dict.fromkeys(("total", "include_total", "expand", "with"), ("include",)),
    **dict.fromkeys(("trash", "trashed", "is_deleted", "deleted_at", "archived"), ("deleted",)),
    **dict.fromkeys(("tz", "time_zone", "zone"), ("timezone",)),
    **dict.fromkeys(("mail", "username", "user", "login", "e_mail"), ("email",)),
    **dict.fromkeys(("pass", "passwd", "pwd", "secret"), ("password",)),
    **dict.fromkeys(("old_password",), ("current_password",)),
    **dict.fromkeys(("scope", "permissions", "abilities"), ("scopes",)),
    **dict.fromkeys(("expires", "expiry", "expires_in", "valid_until", "expiration"), ("expires_at",)),
    **dict.fromkeys(("operation", "action", "method", "type", "command"), ("op",)),
    **dict.fromkeys(("ops", "commands", "requests", "items", "tasks", "actions"), ("operations",)),
    **dict.fromkeys(("task_id", "uuid", "key"), ("id",)),
    **dict.fromkeys(("etag", "version", "ifmatch", "ifMatch"), ("if_match",)),
    **dict.fromkeys(("fields", "payload", "values", "attributes", "changes"), ("data",)),
}
# What other APIs call a part of a path.
SEGMENTS: dict[str, str] = {
    **dict.fromkeys(("close", "done", "finish", "check"), "complete"),
    **dict.fromkeys(("uncomplete", "open", "uncheck", "undo"), "reopen"),
    **dict.fromkeys(("undelete", "recover"), "restore"),
    **dict.fromkeys(("todos", "todo", "items", "task"), "tasks"),
    **dict.fromkeys(("projects", "project", "list"), "lists"),
    **dict.fromkeys(("tags", "tag", "label"), "labels"),
    **dict.fromkeys(("users", "user", "account", "profile"), "me"),
    **dict.fromkeys(("signin", "sign-in", "log-in"), "login"),
    **dict.fromkeys(("signup", "sign-up"), "register"),
    **dict.fromkeys(("signout", "sign-out", "log-out"), "logout"),
    **dict.fromkeys(("stats",), "statistics"),
    **dict.fromkeys(("bulk", "sync"), "batch"),
}
# Kept by the server on everything that it stores.
_KEPT = frozenset({"id", "created_at", "updated_at", "deleted_at", "completed_at", "version", "user_id", "owner"})
_LONGEST = 100  # characters that are compared
# What is nearer than this is a slip of the fingers; below it the words only look alike, and the hint would mislead.
_ALIKE = 0.8


def unknown(noun: str, name: str, known: Collection[str]) -> str:
    """Say that there is no such member or parameter, and which one may be meant."""
    meant = _meant(name[:_LONGEST], known)
    if meant is not None:
        return f"Unknown {noun}; did you mean {meant}?"
    if noun == "member" and name in _KEPT:
        return f"Unknown {noun}: only the server writes {name}."
    return f"Unknown {noun}."


def _meant(name: str, known: Collection[str]) -> str | None:
    word = name.lower().replace("-", "_")
    if word in known:
        return word
    for meaning in _MEANINGS.get(word, ()):
        if meaning in known:
            return meaning
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=_ALIKE)
    return near[0] if near else None
