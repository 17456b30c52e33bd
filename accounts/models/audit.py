"""The audit: events, and what of them is about a person."""

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class AuditEvent(models.Model):
    """Something that staff did, or a sign-in: never changed, and not deleted before its time; see accounts/audit.py.

    It names people by id only, without a foreign key, so that it outlives them. `facts` holds nothing personal.
    """

    class Door(models.TextChoices):
        ADMIN = "admin"
        API = "api"
        COMMAND = "command"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # UUIDv7: in the order of time
    at = models.DateTimeField("time", db_default=Now(), editable=False)
    actor_id = models.UUIDField("actor", null=True)
    door = models.CharField(max_length=7, choices=Door)
    action = models.CharField(max_length=30)
    object_type = models.CharField(max_length=50, blank=True, default="")  # a model's label, or ""
    object_id = models.CharField(max_length=64, blank=True, default="")
    facts = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    request_id = models.CharField(max_length=128, blank=True, default="")
    address = models.GenericIPAddressField(null=True)  # of staff, or of nobody known; a person's own is in the detail

    class Meta:
        db_table = "audit_events"
        verbose_name = "audit event"
        default_permissions = ("view",)
        indexes = [
            # The history of an object, what somebody did, and "all failed sign-ins": newest first, a page at a time.
            models.Index(fields=["object_id", "-id"], name="audit_events_by_object"),
            models.Index(fields=["actor_id", "-id"], name="audit_events_by_actor"),
            models.Index(fields=["action", "-id"], name="audit_events_by_action"),
            models.Index(fields=["request_id"], name="audit_events_by_request"),
            models.Index(fields=["at"], name="audit_events_by_age"),  # the purge reads the oldest
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.kind}" if self.object_type else self.action

    @property
    def kind(self) -> str:
        """What people call the kind of thing that this is about."""
        try:
            return str(apps.get_model(self.object_type)._meta.verbose_name)
        except (LookupError, ValueError):  # about nothing, or of a model that is no more
            return self.object_type.rpartition(".")[2] or "–"


class AuditDetail(models.Model):
    """What of an event is about a person: values before and after, their address. It goes when the person goes."""

    event = models.OneToOneField(AuditEvent, on_delete=models.CASCADE, primary_key=True, related_name="detail")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    changes = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    address = models.GenericIPAddressField(null=True)

    class Meta:
        db_table = "audit_details"
        default_permissions = ()

    def __str__(self) -> str:
        return f"details of {self.event_id}"
