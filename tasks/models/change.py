"""The log of changes: who changed what, and what it was before."""

from django.conf import settings
from django.db import models


class Change(models.Model):
    """A change of a task or a list: a trigger writes each (migrations/0038), and nothing changes it afterwards.

    `before` is what the columns that it changed were before; null of a new row, and of one that is purged.
    """

    pk = models.CompositePrimaryKey("user_id", "change_no")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    change_no = models.BigIntegerField()
    action = models.BigIntegerField()  # the first number of the transaction
    at = models.DateTimeField()
    event = models.TextField()
    kind = models.TextField()
    entity_id = models.UUIDField()
    version = models.IntegerField()
    previous = models.BigIntegerField(null=True)  # the number of the same thing's change before
    actor_kind = models.TextField()
    actor_id = models.UUIDField(null=True)  # a token, or a member of staff
    request_id = models.TextField(blank=True, default="")
    before = models.JSONField(null=True)

    class Meta:
        db_table = "changes"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.event} {self.kind} {self.entity_id}"
