"""Tickets for live streams."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact


class StreamTicket(models.Model):
    """What opens one live stream, once, within a minute, for the token that asked for it; see queries/stream_tickets.

    A browser's EventSource sends no header, and a token must not stand in an address.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)  # SHA-256 of the ticket
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token_id = models.UUIDField()  # no reference: a token that is gone opens nothing
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "stream_tickets"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Exact(Length("digest"), 32), name="stream_tickets_digest_length")
        ]

    def __str__(self) -> str:
        return f"a ticket of {self.user_id}"
