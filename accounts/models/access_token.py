"""Tokens: what API requests carry, and what each may do."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact
from uuid_utils.compat import uuid7


class Scope(models.TextChoices):
    """What a token may do."""

    TASKS_READ = "tasks:read", "read tasks"
    TASKS_WRITE = "tasks:write", "change tasks"
    ACCOUNT = "account", "manage the account and its tokens"


class AccessToken(models.Model):
    """An opaque bearer token. Only its SHA-256 digest is kept; the token itself is shown once, when it is made.

    Not a JWT: a revoked token must be refused on the very next request, on every process.
    """

    class Kind(models.TextChoices):
        SESSION = "session", "login"
        PERSONAL = "personal", "personal access token"
        # Secrets that stand in an address: each is good for its door (doors/) and as no bearer token.
        TODOS = "todos", "calendar of tasks"
        EVENTS = "events", "calendar of events"
        BACKEND = "backend", "Todo-Backend address"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSONAL)
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope))
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Since when it has a successor; it stays alive for an overlap, and can be rotated no second time.
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Behind which list's tasks an address is; null is all of them, of a Todo-Backend address the inbox. No reference:
    # when the list is gone there is nothing behind it.
    list_id = models.UUIDField("list", null=True, blank=True, editable=False)

    class Meta:
        db_table = "access_tokens"
        verbose_name = "access token"
        constraints = [
            # Also the index that every API request reads.
            models.UniqueConstraint("digest", name="access_tokens_digest_unique"),
            models.CheckConstraint(condition=Exact(Length("digest"), 32), name="access_tokens_digest_length"),
            models.CheckConstraint(condition=Q(name__regex=r"\S"), name="access_tokens_name_not_blank"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values) & ~Q(scopes=[]),
                name="access_tokens_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["session", "personal"])
                | Q(kind="backend", scopes__contained_by=["tasks:read", "tasks:write"])
                | Q(kind__in=["todos", "events"], scopes=["tasks:read"]),
                name="access_tokens_kind_fits",
            ),
            models.CheckConstraint(
                condition=Q(list_id=None) | ~Q(kind__in=["session", "personal"]), name="access_tokens_list_of_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_live(self, now: datetime) -> bool:
        """Tell whether the token would be accepted at `now`, its user being active."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
