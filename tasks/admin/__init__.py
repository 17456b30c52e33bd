"""The staff's view of tasks: lists and forms, search, dashboard."""

from tasks.admin import lists, person, tasks, webhooks

__all__ = ["lists", "person", "tasks", "webhooks"]
