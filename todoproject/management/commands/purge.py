"""`purge`: remove for good what was deleted, expired or revoked long enough ago."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts import idempotency
from accounts.models import AccessToken, AuditEvent, EmailChange, EmailLink, IdempotencyKey, StreamTicket, User
from tasks.models import BackgroundJob, Change, Reminder, Task, TaskList, WebhookDelivery
from todoproject.background.runner import is_ending

# A batch is a transaction of its own: it holds few locks for a short while, and what is done stays done.
BATCH = 1000
DELIVERY_RETENTION = timedelta(days=14)  # longer than anything is tried
TOKEN_RETENTION = timedelta(days=30)  # long enough to answer "which token was that?"


class Command(BaseCommand):
    help = (
        "Remove for good: tasks and lists deleted more than TASK_RETENTION_DAYS ago, tokens that ended more than 30"
        " days ago, expired codes from mails, changes of e-mail that nobody agreed to, expired answers to idempotency"
        " keys, expired sessions of the admin, audit events older than AUDIT_RETENTION_DAYS, changes in"
        " the history that no webhook waits for, and reminders that have fired, older than CHANGE_RETENTION_DAYS,"
        " deliveries to webhooks older than 14 days. In small batches beside traffic, leaving what somebody holds; stop"
        " it at any moment. The background process does it every day; without one, let something run it. Exit code 0:"
        " done; 1: failed, and what was removed stays removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only count what would be removed.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress.")

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run, as_json = options["dry_run"], options["json"]
        report = {
            name: rows.count() if dry_run else self._remove(name, rows, quiet=as_json or options["verbosity"] == 0)
            for name, rows in _outlived(timezone.now()).items()
        }
        report["audit_events"] = _purge_audit(timezone.now(), dry_run=dry_run)
        report["changes"] = _purge_history(timezone.now(), dry_run=dry_run)
        if not dry_run and not is_ending():
            done = {"ended_at": timezone.now(), "leased_until": None}
            BackgroundJob.objects.update_or_create(name="purge", defaults=done)
        if as_json:
            self.stdout.write(json.dumps({"dry_run": dry_run, **report}))
        else:
            verb = "Would remove" if dry_run else "Removed"
            counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.items())
            self.stdout.write(f"{verb} {counts}.")

    def _remove(self, name: str, rows: "QuerySet[Any]", *, quiet: bool) -> int:
        total = 0
        for count in _removals(rows):
            total += count
            if not quiet:
                self.stdout.write(f"  {name}: {total}")
        return total


def _purge_audit(now: datetime, *, dry_run: bool) -> int:
    """Remove what the audit need not keep any longer; only this function of the database may."""
    oldest, total, count = now - timedelta(days=settings.AUDIT_RETENTION_DAYS), 0, BATCH
    if dry_run:
        return AuditEvent.objects.filter(at__lt=oldest).count()
    while count and not is_ending():
        with connection.cursor() as cursor:
            cursor.execute("SELECT purge_audit(%s, %s)", [oldest, BATCH])
            count = cursor.fetchone()[0]
        total += count
    return total


# No index is kept for this: an owner's changes lie in the order of time, and the next owner is a step of the key away.
_OWNERS_OF_OLD = """
WITH RECURSIVE owners (user_id) AS (
    (SELECT user_id FROM changes WHERE user_id > %(last)s ORDER BY user_id LIMIT 1)
    UNION ALL
    SELECT (SELECT user_id FROM changes WHERE user_id > owners.user_id ORDER BY user_id LIMIT 1) FROM owners
     WHERE owners.user_id IS NOT NULL)
SELECT user_id FROM owners
 WHERE (SELECT at FROM changes WHERE changes.user_id = owners.user_id ORDER BY change_no LIMIT 1) < %(oldest)s
 LIMIT %(most)s
"""
_REMOVE_OLD = """
DELETE FROM changes WHERE user_id = %(owner)s AND change_no IN (
    SELECT change_no FROM (
        SELECT change_no, at FROM changes WHERE user_id = %(owner)s ORDER BY change_no LIMIT %(most)s) AS first
     WHERE at < %(oldest)s AND change_no <= ALL (
           SELECT position FROM webhooks WHERE user_id = %(owner)s AND is_enabled))
"""


def _purge_history(now: datetime, *, dry_run: bool) -> int:
    """Remove the oldest changes of each owner; who is writing at the moment is left for the next run."""
    oldest = now - timedelta(days=settings.CHANGE_RETENTION_DAYS)
    values: dict[str, Any] = {"oldest": oldest, "most": BATCH, "last": UUID(int=0)}
    if dry_run:
        return Change.objects.filter(at__lt=oldest).count()
    total = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_OWNERS_OF_OLD, values)
            owners = [] if is_ending() else [owner for (owner,) in cursor.fetchall()]
            for owner in owners:
                total += _remove_history(cursor, values | {"owner": owner})
            if len(owners) < BATCH:
                return total
            values["last"] = owners[-1]


def _remove_history(cursor: Any, values: dict[str, Any]) -> int:
    total, count = 0, BATCH
    while count == BATCH and not is_ending():
        with transaction.atomic():
            free = User.objects.filter(pk=values["owner"]).select_for_update(no_key=True, skip_locked=True)
            if not free.values_list("pk").first():
                return total
            cursor.execute(_REMOVE_OLD, values)
            count = cursor.rowcount
        total += count
    return total


def _outlived(now: datetime) -> "dict[str, QuerySet[Any]]":
    ended, deleted = now - TOKEN_RETENTION, now - timedelta(days=settings.TASK_RETENTION_DAYS)
    # What something refers to stays until that has gone: subtasks before their parents, tasks before lists.
    held = Task.objects.filter(user=OuterRef("user"), list_id=OuterRef("id"))
    subtasks = Task.objects.filter(user=OuterRef("user"), parent_id=OuterRef("id"))
    return {
        "tasks": Task.objects.filter(~Exists(subtasks), deleted_at__lt=deleted),
        "lists": TaskList.objects.filter(~Exists(held), deleted_at__lt=deleted),
        "tokens": AccessToken.objects.filter(Q(expires_at__lt=ended) | Q(revoked_at__lt=ended)),
        "mail_codes": EmailLink.objects.filter(expires_at__lt=now),
        "email_changes": EmailChange.objects.filter(expires_at__lt=now),
        "stored_answers": IdempotencyKey.objects.filter(created_at__lt=now - idempotency.LIFETIME),
        "stream_tickets": StreamTicket.objects.filter(expires_at__lt=now),
        "reminders": Reminder.objects.filter(settled_at__lt=now - timedelta(days=settings.CHANGE_RETENTION_DAYS)),
        "webhook_deliveries": WebhookDelivery.objects.filter(created_at__lt=now - DELIVERY_RETENTION),
        "sessions": Session.objects.filter(expire_date__lt=now),
    }


def _removals(rows: "QuerySet[Any]") -> Iterator[int]:
    """Delete the rows in batches and yield the size of each. What somebody holds locked is left for the next run."""
    is_owned = any(field.name == "user" for field in rows.model._meta.fields)
    left: set[UUID] = set()  # whose rows are left for the next run
    while not is_ending():  # the background process: the next one goes on
        with transaction.atomic():
            owners = _lock_owners(rows, left) if is_owned else []
            if is_owned and not owners:
                return
            count = _remove_batch(rows.filter(user__in=owners) if is_owned else rows)
        if count == 0 and not is_owned:
            return
        if count == 0:  # their rows are held, one by one
            left.update(owners)
        yield count


def _lock_owners(rows: "QuerySet[Any]", left: set[UUID]) -> list[UUID]:
    """Lock the owners of the next batch, as everybody does before their rows; add to `left` whom others hold."""
    while found := set(rows.exclude(user__in=left).order_by().values_list("user", flat=True)[:BATCH]):
        people = User.objects.filter(pk__in=found).order_by("pk").select_for_update(no_key=True, skip_locked=True)
        free = list(people.values_list("pk", flat=True))
        left.update(found.difference(free))
        if free:
            return free
    return []


def _remove_batch(rows: "QuerySet[Any]") -> int:
    # One statement finds, locks and deletes: a task that is restored meanwhile is locked, or no longer found.
    model: type[Model] = rows.model
    batch = rows.order_by().select_for_update(skip_locked=True).values("pk")[:BATCH]
    return int(model._default_manager.filter(pk__in=batch)._raw_delete(rows.db))
