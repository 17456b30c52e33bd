"""The staff's view of tasks: list and form, search, dashboard."""

from tasks.admin import tasks

__all__ = ["tasks"]
