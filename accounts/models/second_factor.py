"""The second factor of staff."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class SecondFactor(models.Model):
    """A staff member's authenticator app (TOTP, RFC 6238); see accounts/staff/second_factor.py."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor")
    secret = models.BinaryField()  # encrypted
    last_step = models.BigIntegerField(default=0)  # of the last code that was accepted: none counts twice
    recovery_codes = ArrayField(models.BinaryField(max_length=32))  # digests of those that are left
    # Tries since the last right code, and the password they were made with: another one begins anew.
    failures = models.SmallIntegerField(default=0, db_default=0)
    tried_with = models.CharField(max_length=24, default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "second_factors"
        default_permissions = ()

    def __str__(self) -> str:
        return f"the second factor of {self.user_id}"
