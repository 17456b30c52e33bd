"""Codes that are mailed: for an account, a password, another address."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Lower, Now
from django.db.models.lookups import Exact
from uuid_utils.compat import uuid7


class EmailLink(models.Model):
    """A secret that was mailed to an address, of which only the digest is kept: it works once, and not for long.

    It belongs to an address, not to a user, so that asking for one leaves the same trace whether or not there is
    an account. `password` is the hash that a new account begins with.
    """

    class Purpose(models.TextChoices):
        VERIFY = "verify", "open an account"
        RESET = "reset", "set a new password"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=6, choices=Purpose)
    email = models.EmailField(max_length=254)
    mailbox = models.CharField(max_length=254, blank=True, default="", db_default="")  # as a new account's
    digest = models.BinaryField(max_length=32)
    password = models.CharField(max_length=128, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "email_links"
        constraints = [
            models.UniqueConstraint("digest", name="email_links_digest_unique"),
            models.CheckConstraint(condition=Exact(Length("digest"), 32), name="email_links_digest_length"),
            models.CheckConstraint(
                condition=Q(purpose="verify") & ~Q(password="") | Q(purpose="reset", password=""),
                name="email_links_purpose_known",
            ),
        ]
        indexes = [
            models.Index(Lower("email"), name="email_links_by_address"),  # one that is used ends the others
            models.Index(fields=["expires_at"], name="email_links_by_expiry"),  # the purge reads the oldest
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.id}"


class EmailChange(models.Model):
    """Another address for an account: it waits until somebody proves to read it, or, by staff, the old one.

    One digest for each of the two codes; the one of the new address proves that address, too. Where the owner asks,
    nobody is told the other one.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="email_change")
    email = models.EmailField(max_length=254)
    mailbox = models.CharField(max_length=254, blank=True, default="", db_default="")
    by_owner = models.BooleanField(default=False, db_default=False)  # else by staff: then sessions end with it
    replaces = models.EmailField(max_length=254)  # where the account has another address meanwhile, nothing is changed
    old_digest = models.BinaryField(max_length=32)
    new_digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "email_changes"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint("old_digest", name="email_changes_old_unique"),
            models.UniqueConstraint("new_digest", name="email_changes_new_unique"),
            models.CheckConstraint(
                condition=Exact(Length("old_digest"), 32) & Exact(Length("new_digest"), 32),
                name="email_changes_digest_length",
            ),
        ]

    def __str__(self) -> str:
        return f"another address for {self.user_id}"
