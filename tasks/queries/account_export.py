"""What an account's export holds of tasks: all of them, the deleted ones too."""

from functools import lru_cache

from accounts.models import Scope
from accounts.queries.account_export import array
from tasks.list_schemas import TaskList as ListDocument
from tasks.models import Change, Reminder, Task, TaskList, Webhook, WebhookDelivery
from tasks.schemas import TASK_MEMBERS
from todoproject.database.client import sql
from todoproject.database.client.sql import CurrentUser
from todoproject.database.client.statement import ACCOUNT_ROLE, Statement


@lru_cache
def tasks() -> Statement:
    """Return the statement for the bound user's tasks, oldest first. Their reader must be allowed to read tasks."""
    rows = sql.select(Task.objects.filter(user=CurrentUser()).order_by("created_at", "id").values(*TASK_MEMBERS))
    return Statement.fenced(array(sql.as_json(rows, Task, TASK_MEMBERS)), scope=Scope.TASKS_READ, repeatable=True)


_HISTORY = (
    *("change_no", "action", "at", "event", "kind", "entity_id", "version", "actor_kind", "actor_id", "request_id"),
    "before",
)


@lru_cache
def history() -> Statement:
    """Return the statement for the log of the bound user's changes, oldest first, as it is kept."""
    rows = sql.select(Change.objects.filter(user=CurrentUser()).order_by("change_no").values(*_HISTORY))
    return Statement.fenced(array(sql.as_json(rows, Change, _HISTORY)), scope=Scope.TASKS_READ, repeatable=True)


@lru_cache
def lists() -> Statement:
    """Return the statement for the bound user's lists, by position, the deleted ones too."""
    fields = tuple(ListDocument.model_fields)
    rows = sql.select(TaskList.objects.filter(user=CurrentUser()).order_by("position", "id").values(*fields))
    return Statement.fenced(array(sql.as_json(rows, TaskList, fields)), scope=Scope.TASKS_READ, repeatable=True)


_REMINDERS = ("task_id", "reminder", "fires_at", "settled_at", "change_no", "mail_at", "mail_tries")


@lru_cache
def reminders() -> Statement:
    """Return the statement for the bound user's reminders: those that are to fire, and what became of the others."""
    rows = sql.select(Reminder.objects.filter(user=CurrentUser()).order_by("fires_at").values(*_REMINDERS))
    return Statement.fenced(array(sql.as_json(rows, Reminder, _REMINDERS)), scope=Scope.TASKS_READ, repeatable=True)


_WEBHOOKS = (
    *("id", "url", "events", "is_enabled", "disabled_at", "disabled_reason", "rotated_at", "created_at", "updated_at"),
    *("version", "position"),
)
_DELIVERIES = (
    *("id", "webhook_id", "change_no", "type", "state", "tries", "status", "error", "duration_ms", "created_at"),
    *("tried_at", "next_try_at"),
)


@lru_cache
def webhooks() -> Statement:
    """Return the statement for the bound user's webhooks, oldest first, without their secrets."""
    rows = sql.select(Webhook.objects.filter(user=CurrentUser()).order_by("id").values(*_WEBHOOKS))
    text = array(sql.as_json(rows, Webhook, _WEBHOOKS))
    return Statement.fenced(text, scope=Scope.ACCOUNT, role=ACCOUNT_ROLE, repeatable=True)


@lru_cache
def webhook_deliveries() -> Statement:
    """Return the statement for what became of events at the bound user's webhooks, oldest first."""
    rows = sql.select(WebhookDelivery.objects.filter(user=CurrentUser()).order_by("id").values(*_DELIVERIES))
    text = array(sql.as_json(rows, WebhookDelivery, _DELIVERIES))
    return Statement.fenced(text, scope=Scope.ACCOUNT, role=ACCOUNT_ROLE, repeatable=True)
