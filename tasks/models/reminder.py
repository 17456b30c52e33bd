"""Reminders: when each fires, and what became of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Reminder(models.Model):
    """When a task's reminder fires: a trigger keeps it (migrations/0046), the background process fires it.

    Pending until it is settled: fired, then it has a number, or found too late and missed. `mail_at` is when its mail
    is sent, or tried again; null where there is none, or none any more.
    """

    pk = models.CompositePrimaryKey("user_id", "task_id", "fires_at", "reminder")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    task_id = models.UUIDField()  # a reference over the owner, too
    reminder = models.TextField(db_collation="C")  # as JSON: a member of the task's `reminders`
    fires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    change_no = models.BigIntegerField(null=True)  # the number that it took among its owner's changes
    mail_at = models.DateTimeField(null=True)
    mail_tries = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "reminders"
        default_permissions = ()
        indexes = [
            # What fires next, and what is late: no more than a few rows are in it that are due.
            models.Index(fields=["fires_at"], name="reminders_pending", condition=Q(settled_at=None)),
            # For live streams: what has fired since a number.
            models.Index(fields=["user", "change_no"], name="reminders_fired", condition=Q(change_no__isnull=False)),
            models.Index(fields=["mail_at"], name="reminders_to_mail", condition=Q(mail_at__isnull=False)),
            models.Index(fields=["settled_at"], name="reminders_purge", condition=Q(settled_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reminder} of {self.task_id}"
