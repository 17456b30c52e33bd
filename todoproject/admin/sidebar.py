"""The sidebar of the admin: which pages it leads to. A page is shown to those who may see its list."""

from typing import Any

from django.urls import reverse_lazy


def _page(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,  # a name in Material Symbols, whose font Unfold brings along
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": lambda request: request.user.has_perms([f"{app}.view_{name}"]),
    }


NAVIGATION = [
    {
        "title": "Tasks",
        "items": [_page("Tasks", "checklist", "tasks.task"), _page("Lists", "list", "tasks.tasklist")],
    },
    {
        "title": "Accounts",
        "items": [
            _page("Users", "person", "accounts.user"),
            _page("Groups", "group", "auth.group"),
            _page("Access tokens", "key", "accounts.accesstoken"),
            _page("Webhooks", "webhook", "tasks.webhook"),
        ],
    },
    {"title": "Records", "items": [_page("Audit", "history", "accounts.auditevent")]},
]
