"""People: who uses the API and the admin."""

import uuid
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Self
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Coalesce, Lower, Now, NullIf
from django.utils import timezone
from django.utils.crypto import salted_hmac
from uuid_utils.compat import uuid7

from accounts import addresses
from accounts.models.access_token import AccessToken
from accounts.models.email import EmailChange, EmailLink

# Names that say nothing about where somebody is: what a server is set to, and what a new one ships with.
_NO_PLACES = frozenset({"localtime", "Factory", "posixrules"})


def validate_timezone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone: of a place, or UTC."""
    if name not in available_timezones() or name in _NO_PLACES:
        raise ValidationError("Not an IANA time zone, such as Europe/Berlin.", code="timezone")


# The form in which an address is compared; see accounts/addresses.py.
MAILBOX = Coalesce(NullIf("mailbox", Value("")), Lower("email"), output_field=models.CharField())


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def with_email(self, email: str) -> "models.QuerySet[User]":
        """Return the user with an e-mail, in whatever form it is written."""
        return self.at(Lower(Value(email)), Value(addresses.mailbox(email)))

    def at(self, lower_email: Any, mailbox: Any) -> "models.QuerySet[User]":
        """Return the user with this e-mail, else with this mailbox: before, one mailbox could have two accounts."""
        known = self.annotate(lower_email=Lower("email"), own_mailbox=MAILBOX)
        found = known.filter(Q(lower_email=lower_email) | Q(own_mailbox=mailbox))
        return found.order_by(Case(When(lower_email=lower_email, then=0), default=1))[:1]

    def lock(self, people: "models.QuerySet[Any, Any] | Iterable[uuid.UUID]") -> list[uuid.UUID]:
        """Lock the rows of these people, in the order of their ids, and return the ids.

        Whoever writes what belongs to somebody locks that person first, then the rows: so no two can wait for each
        other. It takes a transaction.
        """
        rows = self.filter(pk__in=people).order_by("pk").select_for_update(no_key=True)
        return list(rows.values_list("pk", flat=True))

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.with_email(username or "").get()  # at most one


class User(AbstractBaseUser, PermissionsMixin):
    """A person with an e-mail login. Staff see the admin; everybody else has the API."""

    # UUIDv7: nobody can count users by their keys, and the index grows at one end.
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail", max_length=254)
    # What the address is compared as, where lower case does not say it: with its domain's A-labels.
    mailbox = models.CharField(max_length=254, blank=True, default="", db_default="", editable=False)
    # When somebody proved, with a secret that was mailed there, that they read this address.
    email_verified_at = models.DateTimeField("e-mail verified at", null=True, blank=True, editable=False)
    timezone = models.CharField("time zone", max_length=64, default="UTC", validators=[validate_timezone])
    reminder_mail = models.BooleanField("reminders by mail", default=False, db_default=False)
    is_staff = models.BooleanField("staff", default=False, help_text="May log in to this admin.")
    is_active = models.BooleanField(
        "active", default=True, help_text="Whoever is not has no token, session or code from a mail that works."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Counts this user's task writes; a trigger takes the next number under this row's lock, so that numbers
    # appear in commit order and a reader who has seen N never misses something ≤ N.
    change_no = models.BigIntegerField(db_default=0, editable=False)
    # When that was. The next change is later than this, though the server's clock be set back meanwhile.
    changed_at = models.DateTimeField(null=True, editable=False)
    # Until when the account is taken to hold as much as it may: see accounts/0023 and tasks/0040.
    tasks_full_until = models.DateTimeField(null=True, editable=False)
    labels_full_until = models.DateTimeField(null=True, editable=False)
    answers_full_until = models.DateTimeField(null=True, editable=False)
    # Up to which number something is gone for good: who follows the changes and has not come so far begins anew.
    purged_no = models.BigIntegerField(db_default=0, editable=False)
    # Every admin session is bound to this moment, so a new one ends them all; see get_session_auth_hash.
    sessions_ended_at = models.DateTimeField(null=True, editable=False)

    # Set by the form in which people change their own password: their personal tokens stay, as through the API.
    sets_own_password = False
    # How many tokens have ended with the password that was set last.
    tokens_ended = 0
    _loaded_email: str | None = None  # as the database has it

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "users"
        # What staff may do to a person, each by itself, so that a group can hold one without the others.
        permissions = [
            ("deactivate_user", "Can deactivate and reactivate user"),
            ("send_reset_user", "Can send user a password reset"),
            ("lift_limit_user", "Can lift the rate limit of user"),
            ("export_user", "Can export all data of user"),
            ("erase_user", "Can erase user"),
            ("reset_second_factor_user", "Can reset the second factor of user"),
            ("grant_user", "Can make user staff and put them into groups"),
        ]
        constraints = [
            # One account an address, however it is written; also the index that login reads.
            models.UniqueConstraint(
                Lower("email"),
                name="users_email_unique",
                violation_error_message="A user with this e-mail exists.",
            ),
            # One account a mailbox. Beside the first, which the release before relies on.
            models.UniqueConstraint(
                MAILBOX, name="users_mailbox_unique", violation_error_message="A user with this e-mail exists."
            ),
            models.CheckConstraint(
                condition=Q(email__regex=r"^[^@\s]+@[^@\s]+$"),
                name="users_email_shape",
                violation_error_message="Enter an e-mail address.",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any) -> Self:
        user = super().from_db(db, field_names, values, **more)
        user._loaded_email = user.__dict__.get("email")  # None where it was not asked for
        return user

    def save(self, *arguments: Any, **options: Any) -> None:
        """Save; where `set_password` was called before, end with the old password whatever it let in.

        So it is in every form, command and shell that sets one. A hash that Django only renews is no new password.
        """
        is_new_password = getattr(self, "_password", None) is not None and not self._state.adding
        if self.email != self._loaded_email:
            self._loaded_email, self.mailbox = self.email, addresses.stored_mailbox(self.email)
            if options.get("update_fields") is not None:
                options["update_fields"] = {*options["update_fields"], "mailbox"}
        with transaction.atomic():
            super().save(*arguments, **options)
            if is_new_password:
                self.tokens_ended = self.end_access(also_personal=not self.sets_own_password)

    def end_access(self, *, also_personal: bool = True) -> int:
        """End what a changed password must end: logins, admin sessions, codes from mails, if asked personal tokens.

        Return how many tokens. The one function for whatever is not the API, whose own (change_password,
        reset_password) do the same in the database.
        """
        with transaction.atomic():
            User.objects.lock([self.pk])  # the owner before their tokens, as everywhere; nobody makes one meanwhile
            tokens = self.tokens.filter(revoked_at=None)
            if not also_personal:
                tokens = tokens.filter(kind=AccessToken.Kind.SESSION)
            ended = tokens.update(revoked_at=Now())
            EmailLink.objects.alias(lower_email=Lower("email")).filter(lower_email=self.email.lower()).delete()
            EmailChange.objects.filter(user=self).delete()
            if also_personal:
                with connection.cursor() as cursor:  # an app above has their table
                    cursor.execute("SELECT disable_webhooks(%s, 'staff')", [self.pk])
            self.sessions_ended_at = timezone.now()
            User.objects.filter(pk=self.pk).update(sessions_ended_at=self.sessions_ended_at)
        return ended

    def get_session_auth_hash(self) -> str:
        """Bind admin sessions to the password, the second factor and the last time that all of them were ended."""
        factor = getattr(self, "second_factor", None)
        binding = f"{super().get_session_auth_hash()} {factor and factor.pk} {self.sessions_ended_at}"
        return salted_hmac("accounts.models.User.session", binding, algorithm="sha256").hexdigest()
