"""What the document says of each operation beyond its summary: a description, and the scope that its token needs.

An operation may describe itself; what stands here is for those that need no more than a sentence or two.
"""

from collections.abc import Mapping
from typing import Any

_READ, _WRITE, _ACCOUNT = "tasks:read", "tasks:write", "account"
# What most operations of a tag need: to read, and to write.
_OF_TAG = {
    "tasks": (_READ, _WRITE),
    "lists": (_READ, _WRITE),
    "labels": (_READ, _WRITE),
    "changes": (_READ, _WRITE),
    "files": (_READ, _WRITE),
    "streams": (_READ, _READ),
    "accounts": (_ACCOUNT, _ACCOUNT),
    "tokens": (_ACCOUNT, _ACCOUNT),
    "sessions": (_ACCOUNT, _ACCOUNT),
}
# The others: any live token may end or show itself, and an export holds tasks beside the account.
_OTHERWISE: Mapping[str, list[str]] = {"logout": [], "get_current_token": [], "export_me": [_ACCOUNT, _READ]}
# What they tell is tasks, and where they tell it is the account's.
_BOTH = frozenset({"webhooks", "calendars"})

_DESCRIPTIONS = {
    "get_health": "Answers 503 while the database cannot be reached. Needs no token.",
    "get_database_health": "Asks the database something and tells how long the answer took.",
    "get_liveness": "Asks nothing but this process, so that a monitor may call it as often as it likes.",
    "get_readiness": "For a load balancer: 503 until migrations are applied and the database's fence is in order.",
    "login": "Gives a token for a person, with all scopes. A wrong e-mail and a wrong password are the same answer.",
    "logout": "The token is refused from the very next request on; other logins and personal tokens stay.",
    "request_password_reset": "The answer is the same whether there is such an account or not.",
    "confirm_password_reset": "Personal tokens stay unless `revoke_tokens` is true.",
    "register": "Where an e-mail has to be verified first, the answer is the same for a known one and for a new one.",
    "verify_email": "The code opens the account of a registration, or gives an account its new e-mail.",
    "erase_me": "Asks for the password again. What is erased cannot be restored.",
    "get_me": "The account that the token belongs to, as its owner sees it.",
    "patch_me": "The time zone decides where your days begin: in filters, in statistics and in what is overdue.",
    "export_me": "One JSON document: tasks, lists, their history, tokens without their secrets; the deleted ones too.",
    "change_password": "Asks for the present one. Personal tokens stay unless `revoke_tokens` is true.",
    "change_email": "Asks for the password. The old address is told, and stays until the new one is proved.",
    "list_sessions": "A session is the token of a login; `is_current` marks the one in use.",
    "end_session": "Its token is refused from the very next request on. Personal tokens are no sessions.",
    "logout_everywhere": "Ends the token in use as well: log in again afterwards.",
    "list_tasks": "Filters add up. Keep them while you follow `next_cursor`, which is `null` on the last page only.",
    "create_task": "Only the title is required. With an `Idempotency-Key` a repeat creates nothing twice.",
    "get_task": "A deleted task is a 404, like one that never was or is somebody else's.",
    "patch_task": "What is left out stays, `null` clears. What only the server writes may come back as it was given.",
    "delete_task": "Puts the task into the trash, where `GET /v1/tasks?deleted=true` shows it.",
    "reopen_task": "A task that is open already is answered as it is, and keeps its version.",
    "restore_task": "Takes the task out of the trash. One that is not in it is answered as it is.",
    "list_tokens": "Logins and personal tokens that are neither revoked nor expired, without their secrets.",
    "create_token": "A token makes none with scopes that it lacks, and none that outlives it unless it is a login.",
    "get_current_token": "Any live token may ask, whatever its scopes: what it is called, may do, and until when.",
    "revoke_token": "Refused from the very next request on, at every server.",
    "rotate_token": "The successor has the same name and scopes. The old token ends after an overlap.",
    "list_calendars": "Those whose address works, without the address.",
    "create_calendar": "Whoever knows the address reads the tasks, so the account is told by mail. At most 50.",
    "revoke_calendar": "The address is a 404 from the very next request on.",
    "list_labels": "Labels are the same whatever their case; each is shown in the spelling that is used most.",
    "rename_label": "On all tasks at once. Onto a label that there is already, the two become one.",
    "rename_label_by_parameter": "For proxies that change paths. Onto a label that there is, the two become one.",
    "delete_label": "From all tasks at once; the tasks themselves stay.",
    "delete_label_by_parameter": "For proxies that change paths. The tasks themselves stay.",
    "list_lists": "Archived ones too, unless `is_archived=false` leaves them out.",
    "create_list": "Names need not be unique. With an `Idempotency-Key` a repeat creates nothing twice.",
    "get_list": "A deleted list is a 404, like one that never was or is somebody else's.",
    "patch_list": "What is left out stays. Tasks of an archived list stay in lists of tasks and in search.",
    "delete_list": "One that holds tasks is a 409 unless `tasks` says what becomes of them.",
    "move_list": "Names the list that it is put before or after, or says that it is the first.",
    "list_webhooks": "The disabled ones too; without their secrets.",
    "create_webhook": "It begins with what happens from now on. The account is told by mail. At most 20.",
    "get_webhook": "Without its secret, which is shown when it is made or rotated, and never again.",
    "patch_webhook": "One that is enabled again begins with what happens from then on. The account is told by mail.",
    "delete_webhook": "Nothing more is sent; a request that is under way may still arrive.",
    "rotate_webhook_secret": "Requests carry signatures of both secrets for a day; rotating twice ends the old one.",
    "test_webhook": "One request of type `webhook.test`, soon, and not repeated: `deliveries` tells what became of it.",
    "replay_webhook": "By change numbers, both included; only types that it wants, each with the id that it had.",
    "list_webhook_deliveries": "Kept for two weeks. What is `retrying` holds up later events.",
    "restore_list": "Brings back what the deletion took, not what it moved to the inbox.",
}


def complete(operation: dict[str, Any], method: str) -> None:
    """Give the operation its description, and say what its token needs: `security: []` is no token."""
    name = operation["operationId"]
    description = operation.get("description") or _DESCRIPTIONS.get(name, "")
    if not operation.get("security"):
        operation["security"] = []
        scopes = []
    else:
        scopes = scopes_of(operation, method)
        # OpenAPI 3.1 has a place for them, which most tools do not show.
        operation["security"] = [dict.fromkeys(scheme, scopes) for scheme in operation["security"]]
    sentence = f"Needs the scope{'s' * (len(scopes) > 1)} {' and '.join(f'`{scope}`' for scope in scopes)}."
    operation["description"] = " ".join(filter(None, [description, sentence if scopes else ""]))


def scopes_of(operation: Mapping[str, Any], method: str) -> list[str]:
    """Return the scopes that a token must have."""
    name = operation["operationId"]
    if name in _OTHERWISE:
        return _OTHERWISE[name]
    if operation["tags"][0] in _BOTH:
        return [_ACCOUNT, _READ]
    read, write = _OF_TAG.get(operation["tags"][0], (None, None))
    scope = read if method == "get" else write
    return [] if scope is None else [scope]  # that every tag is known, and the scope is right, test_matrix.py shows
