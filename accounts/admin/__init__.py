"""The staff's view of people, groups, access tokens and the audit."""

from accounts.admin import audit_events, groups, person_panels, tokens, users

__all__ = ["audit_events", "groups", "person_panels", "tokens", "users"]
