"""Imports that are under way."""

from django.conf import settings
from django.db import models


class RunningImport(models.Model):
    """An import that is under way: one at a time for an account. What was interrupted is over at `ends_at`."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="+"
    )
    ends_at = models.DateTimeField()

    class Meta:
        db_table = "imports_running"
        default_permissions = ()

    def __str__(self) -> str:
        return f"until {self.ends_at}"
