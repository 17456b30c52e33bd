"""Answers to writes that may be sent again."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class IdempotencyKey(models.Model):
    """The answer to a write that a client may send again; see accounts/idempotency.py."""

    pk = models.CompositePrimaryKey("user_id", "key_digest")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key_digest = models.BinaryField(max_length=32)  # SHA-256 of the client's key
    fingerprint = models.BinaryField(max_length=32)  # SHA-256 of the request
    answer = models.BinaryField()  # encrypted
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_keys"
        indexes = [models.Index(fields=["created_at"], name="idempotency_keys_by_age")]  # the purge reads the oldest

    def __str__(self) -> str:
        return f"an answer to {self.user_id}"
