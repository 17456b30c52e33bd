"""People and what belongs to them, a module for each; other rooms and the migrations know them by this package."""

from accounts.models.access_token import AccessToken, Scope
from accounts.models.audit import AuditDetail, AuditEvent
from accounts.models.email import EmailChange, EmailLink
from accounts.models.idempotency_key import IdempotencyKey
from accounts.models.second_factor import SecondFactor
from accounts.models.stream_ticket import StreamTicket
from accounts.models.user import User, validate_timezone

__all__ = [
    "AccessToken",
    "AuditDetail",
    "AuditEvent",
    "EmailChange",
    "EmailLink",
    "IdempotencyKey",
    "Scope",
    "SecondFactor",
    "StreamTicket",
    "User",
    "validate_timezone",
]
