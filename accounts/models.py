"""Who uses the API and the admin, and the tokens that API requests carry."""

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, ClassVar, Self
from zoneinfo import available_timezones

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Coalesce, Length, Lower, Now, NullIf
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.crypto import salted_hmac
from uuid_utils.compat import uuid7

from accounts import addresses


class Scope(models.TextChoices):
    """What a token may do."""

    TASKS_READ = "tasks:read", "read tasks"
    TASKS_WRITE = "tasks:write", "change tasks"
    ACCOUNT = "account", "manage the account and its tokens"


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


class AccessToken(models.Model):
    """An opaque bearer token. Only its SHA-256 digest is kept; the token itself is shown once, when it is made.

    Not a JWT: a revoked token must be refused on the very next request, on every process.
    """

    class Kind(models.TextChoices):
        SESSION = "session", "login"
        PERSONAL = "personal", "personal access token"
        # Secrets that stand in an address: each is good for its door (doors/) and as no bearer token.
        TODOS = "todos", "calendar of tasks"
        EVENTS = "events", "calendar of events"
        BACKEND = "backend", "Todo-Backend address"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSONAL)
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope))
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Since when it has a successor; it stays alive for an overlap, and can be rotated no second time.
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Behind which list's tasks an address is; null is all of them, of a Todo-Backend address the inbox. No reference:
    # when the list is gone there is nothing behind it.
    list_id = models.UUIDField("list", null=True, blank=True, editable=False)

    class Meta:
        db_table = "access_tokens"
        verbose_name = "access token"
        constraints = [
            # Also the index that every API request reads.
            models.UniqueConstraint("digest", name="access_tokens_digest_unique"),
            models.CheckConstraint(condition=Exact(Length("digest"), 32), name="access_tokens_digest_length"),
            models.CheckConstraint(condition=Q(name__regex=r"\S"), name="access_tokens_name_not_blank"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values) & ~Q(scopes=[]),
                name="access_tokens_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["session", "personal"])
                | Q(kind="backend", scopes__contained_by=["tasks:read", "tasks:write"])
                | Q(kind__in=["todos", "events"], scopes=["tasks:read"]),
                name="access_tokens_kind_fits",
            ),
            models.CheckConstraint(
                condition=Q(list_id=None) | ~Q(kind__in=["session", "personal"]), name="access_tokens_list_of_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_live(self, now: datetime) -> bool:
        """Tell whether the token would be accepted at `now`, its user being active."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class IdempotencyKey(models.Model):
    """The answer to a write that a client may send again; see accounts/idempotency.py."""

    pk = models.CompositePrimaryKey("user_id", "key_digest")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    key_digest = models.BinaryField(max_length=32)  # SHA-256 of the client's key
    fingerprint = models.BinaryField(max_length=32)  # SHA-256 of the request
    answer = models.BinaryField()  # encrypted
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_keys"
        indexes = [models.Index(fields=["created_at"], name="idempotency_keys_by_age")]  # the purge reads the oldest

    def __str__(self) -> str:
        return f"an answer to {self.user_id}"


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
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="email_change")
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


class StreamTicket(models.Model):
    """What opens one live stream, once, within a minute, for the token that asked for it; see queries/stream_tickets.

    A browser's EventSource sends no header, and a token must not stand in an address.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)  # SHA-256 of the ticket
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
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


class SecondFactor(models.Model):
    """A staff member's authenticator app (TOTP, RFC 6238); see accounts/staff/second_factor.py."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
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
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    changes = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    address = models.GenericIPAddressField(null=True)

    class Meta:
        db_table = "audit_details"
        default_permissions = ()

    def __str__(self) -> str:
        return f"details of {self.event_id}"
