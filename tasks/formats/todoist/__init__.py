"""Todoist: a project as CSV (its templates and backups), and the account as JSON (its sync API)."""

from tasks.formats.todoist import documents, tables

__all__ = ["documents", "tables"]
