"""Webhooks, and what becomes of their deliveries."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import LessThanOrEqual
from uuid_utils.compat import uuid7

URL_MAX_LENGTH = 2048


class Webhook(models.Model):
    """An address that is told of an owner's changes, and how far it has been told of them (tasks/webhooks).

    Its owner sees what stands above `position`; the rest is how it is delivered to. A trigger keeps both
    (migrations/0048).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="webhooks",
        verbose_name="owner",
        db_index=False,
    )
    url = models.TextField("URL")
    events = ArrayField(models.TextField())  # types, or all of a kind: task.*
    secret = models.BinaryField()  # encrypted
    # The secret before: it signs, too, for a day after the rotation.
    old_secret = models.BinaryField(null=True)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_enabled = models.BooleanField("enabled", default=True, db_default=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.TextField(null=True, blank=True, editable=False)  # noqa: DJ001 -- in the API it is null, too
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.PositiveIntegerField(db_default=1, editable=False)
    # The number of the last change that is through: delivered, set aside, or none that the hook wants.
    position = models.BigIntegerField(db_default=0, editable=False)
    begun_at = models.DateTimeField(db_default=Now(), editable=False)  # made or enabled: what is older is not delivered
    # Only who has the last number of the lease may move the position, and nobody else takes it before its end.
    lease_no = models.BigIntegerField(db_default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    # Of the first change behind the position: how often it has failed, the row that says so, when it is tried again.
    tries = models.PositiveSmallIntegerField(db_default=0, editable=False)
    delivery_id = models.UUIDField(null=True, editable=False)
    next_try_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)  # the first failure since the last success
    # What its owner is still to be told by mail, and when that is tried.
    notice = models.TextField(null=True, editable=False)  # noqa: DJ001 -- null: nothing
    notice_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "webhooks"
        constraints = [
            # An owner's hooks; and what deliveries refer to, over the owner, too.
            models.UniqueConstraint(fields=["user", "id"], name="webhooks_id_of_user"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("url"), URL_MAX_LENGTH), name="webhooks_url_length"
            ),
            models.CheckConstraint(condition=~Q(events=[]), name="webhooks_events_some"),
            models.CheckConstraint(
                condition=Q(is_enabled=Q(disabled_at__isnull=True)), name="webhooks_disabled_at_matches"
            ),
        ]
        indexes = [
            models.Index(fields=["notice_at"], name="webhooks_to_tell", condition=Q(notice_at__isnull=False)),
        ]

    def __str__(self) -> str:
        parts = urlsplit(self.url)  # the rest may be a secret
        return f"{parts.scheme}://{parts.netloc}{parts.path}"


class WebhookDelivery(models.Model):
    """What became of one event at a hook, or of a test.

    Delivered or failed, then it is done; `retrying` while its hook waits for it; `queued` and `set_aside` are tried by
    themselves at `next_try_at`. The number of tries is the lease of those.
    """

    class State(models.TextChoices):
        DELIVERED = "delivered"
        RETRYING = "retrying"
        QUEUED = "queued"
        SET_ASIDE = "set_aside", "set aside"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    webhook_id = models.UUIDField()  # a reference over the owner, too
    change_no = models.BigIntegerField(null=True)  # null: a test
    type = models.TextField()
    state = models.TextField(choices=State)
    tries = models.PositiveSmallIntegerField(db_default=0)
    status = models.PositiveSmallIntegerField(null=True)  # of the last answer
    error = models.TextField(null=True)  # noqa: DJ001 -- null: it was answered
    duration_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    tried_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True)

    class Meta:
        # In the order of names it comes after what it refers to: an erasure locks them as everybody does.
        db_table = "webhooks_deliveries"
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "webhook_id", "id"], name="webhooks_deliveries_of_hook"),
            models.Index(
                fields=["next_try_at"], name="webhooks_deliveries_due", condition=Q(state__in=["queued", "set_aside"])
            ),
            models.Index(
                fields=["user"], name="webhooks_deliveries_queued", condition=Q(state="queued")
            ),  # are counted
            models.Index(fields=["created_at"], name="webhooks_deliveries_by_age"),  # the purge reads the oldest
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.state}"
