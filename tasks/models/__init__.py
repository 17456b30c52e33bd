"""Tasks and what belongs to them, a module for each; other rooms and the migrations know them by this package.

Every rule here is a constraint in the database; triggers (migrations/0002) keep the bookkeeping columns.
"""

from tasks.models.background_job import BackgroundJob
from tasks.models.change import Change
from tasks.models.reminder import Reminder
from tasks.models.running_import import RunningImport
from tasks.models.task import (
    EXTERNAL_ID_MAX_LENGTH,
    FIRST_DATE,
    FIRST_INSTANT,
    LAST_DATE,
    LAST_INSTANT,
    MOST_LABELS,
    MOST_MINUTES_BEFORE,
    MOST_REMINDERS,
    UNDATED,
    Priority,
    Task,
    TaskQuerySet,
)
from tasks.models.task_list import COLOR, TaskList
from tasks.models.validators import (
    DESCRIPTION_MAX_LENGTH,
    LABEL_MAX_LENGTH,
    NAME_MAX_LENGTH,
    TITLE_MAX_LENGTH,
    validate_description,
    validate_label,
    validate_name,
    validate_segment,
    validate_title,
)
from tasks.models.webhook import URL_MAX_LENGTH, Webhook, WebhookDelivery

__all__ = [
    "COLOR",
    "DESCRIPTION_MAX_LENGTH",
    "EXTERNAL_ID_MAX_LENGTH",
    "FIRST_DATE",
    "FIRST_INSTANT",
    "LABEL_MAX_LENGTH",
    "LAST_DATE",
    "LAST_INSTANT",
    "MOST_LABELS",
    "MOST_MINUTES_BEFORE",
    "MOST_REMINDERS",
    "NAME_MAX_LENGTH",
    "TITLE_MAX_LENGTH",
    "UNDATED",
    "URL_MAX_LENGTH",
    "BackgroundJob",
    "Change",
    "Priority",
    "Reminder",
    "RunningImport",
    "Task",
    "TaskList",
    "TaskQuerySet",
    "Webhook",
    "WebhookDelivery",
    "validate_description",
    "validate_label",
    "validate_name",
    "validate_segment",
    "validate_title",
]
