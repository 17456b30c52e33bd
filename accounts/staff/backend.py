"""Who a session belongs to, read in one query with what the session is bound to."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import User


class StaffBackend(ModelBackend):
    """Django's backend, which brings the second factor along: every admin request compares it."""

    def get_user(self, user_id: Any) -> User | None:
        user = User.objects.select_related("second_factor").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
