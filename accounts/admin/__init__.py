"""The staff's view of people, groups, access tokens and the audit."""

from accounts.admin import events, groups, panels, tokens, users

__all__ = ["events", "groups", "panels", "tokens", "users"]
