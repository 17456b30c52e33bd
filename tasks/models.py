"""Tasks. Every rule here is a constraint in the database; triggers (migrations/0002) keep the bookkeeping columns."""

from datetime import UTC, date, datetime
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from uuid_utils.compat import uuid7

from todoproject import text

TITLE_MAX_LENGTH = 255
NAME_MAX_LENGTH = 100
LABEL_MAX_LENGTH, MOST_LABELS = 50, 20
EXTERNAL_ID_MAX_LENGTH = 255
URL_MAX_LENGTH = 2048
COLOR = r"^#[0-9a-fA-F]{6}$"
MOST_REMINDERS, MOST_MINUTES_BEFORE = 5, 40_320  # four weeks
# A day, or an instant in UTC, as the API writes them: texts in the order of time, compared byte by byte.
OCCURRENCE = r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{6}Z)?$"
DESCRIPTION_MAX_LENGTH = 10_000
# What Python can hold in any time zone. PostgreSQL takes more (4713 BC, infinity), and a row
# that can be written but never be read again is worse than one that is refused.
FIRST_DATE, LAST_DATE = date(1, 1, 2), date(9999, 12, 30)
FIRST_INSTANT = datetime(1, 1, 2, tzinfo=UTC)
LAST_INSTANT = datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC)
# Where a task that is never due stands in the order of due dates: after all that are. Not infinity: Python has none.
UNDATED = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class Priority(models.IntegerChoices):
    """A word in the API, a small integer in the database, so that it sorts."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    URGENT = 4


def validate_title(title: str) -> None:
    """Raise ValidationError unless a title is one line with something to see in it."""
    if not text.is_one_line(title):
        raise ValidationError("A title is one line, without control characters.", code="one_line")
    if not text.is_visible(title):
        raise ValidationError("The title must not be blank.", code="blank")


def validate_name(name: str) -> None:
    """Raise ValidationError unless a list's name is one line with something to see in it."""
    if not text.is_one_line(name):
        raise ValidationError("A name is one line, without control characters.", code="one_line")
    if not text.is_visible(name):
        raise ValidationError("The name must not be blank.", code="blank")


def validate_label(label: str) -> None:
    """Raise ValidationError unless a label is one line with something to see in it, and can stand in a path."""
    if not text.is_one_line(label):
        raise ValidationError("A label is one line, without control characters.", code="one_line")
    if not text.is_visible(label):
        raise ValidationError("A label must not be blank.", code="blank")
    validate_segment(label)


def validate_segment(name: str) -> None:
    """Raise ValidationError where a name would be no name in a path (RFC 3986, section 5.2.4)."""
    if name in (".", ".."):
        raise ValidationError("In a path, . and .. are no names.", code="dots")


def validate_description(description: str) -> None:
    """Raise ValidationError where a description has control characters other than tabs and line breaks."""
    if not text.is_plain(description):
        raise ValidationError("A description has no control characters but tabs and line breaks.", code="plain")


_LIVE = Q(deleted_at=None)


class TaskQuerySet(models.QuerySet["Task"]):
    def live(self) -> "TaskQuerySet":
        return self.filter(_LIVE)


class Task(models.Model):
    """Something a user means to do."""

    # The row itself, for the admin and for foreign keys. The API never shows it: its `id` may be made by clients, so
    # two owners may have the same one, and neither may learn of the other's.
    key = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    id = models.UUIDField(default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="tasks",
        verbose_name="owner",
        db_index=False,
    )
    # What they may hold is kept by triggers (migrations/0012), because rows from before that rule must stay writable.
    title = models.CharField(max_length=TITLE_MAX_LENGTH, validators=[validate_title])
    description = models.TextField(
        blank=True, default="", db_default="", max_length=DESCRIPTION_MAX_LENGTH, validators=[validate_description]
    )
    is_completed = models.BooleanField("completed", default=False, db_default=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NONE, db_default=Priority.NONE)
    # Null is the inbox. The reference (migrations/0012) is over the owner, too: one over the id alone is made without
    # the fence, and tells of a stranger's list.
    list_id = models.UUIDField("list", null=True, blank=True)
    # The task that it belongs under: in the same list, five levels at most (migrations/0015).
    parent_id = models.UUIDField("parent", null=True, blank=True)
    # Its place among its siblings, made by the database and compared byte by byte. Null only until migrations/0019.
    position = models.TextField(null=True, db_collation="C", editable=False)  # noqa: DJ001
    labels = ArrayField(models.TextField(validators=[validate_label]), blank=True, default=list, db_default=[])
    starts_on = models.DateField("starts on", null=True, blank=True, help_text="Not before this day.")
    # What the task is called where it comes from.
    external_id = models.TextField("external id", null=True, blank=True, db_collation="C")  # noqa: DJ001 -- in the API it is null, too
    due_on = models.DateField("due on", null=True, blank=True, help_text="A day, in whatever zone the owner is.")
    due_at = models.DateTimeField("due at", null=True, blank=True, help_text="An instant. Not together with a day.")
    # How it recurs, as the API shows it. `series` is what the next occurrence is computed from: the anchor, and of the
    # present occurrence the number and the day by the rule. A trigger keeps both (migrations/0031).
    recurrence = models.JSONField(null=True, blank=True, editable=False)
    series = models.JSONField(null=True, blank=True, editable=False)
    # Which occurrence this is: the day or instant that the rule gave, unmoved by postponing.
    occurrence = models.TextField(null=True, blank=True, db_collation="C", editable=False)  # noqa: DJ001 -- in the API it is null, too
    # The series that a completed copy comes from. No reference: it may name what is gone.
    recurrence_of = models.UUIDField(null=True, blank=True, editable=False)
    reminders = models.JSONField(default=list, blank=True, db_default=[], editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField("deleted at", null=True, blank=True, editable=False)
    # The id of what took the task along when it was deleted: it brings the task back, too.
    deleted_with = models.UUIDField(null=True, blank=True, editable=False)
    completed_with = models.UUIDField(null=True, blank=True, editable=False)  # likewise
    version = models.IntegerField(db_default=1, editable=False)
    change_no = models.BigIntegerField(db_default=0, editable=False)
    # What lists are sorted by where the column itself will not do. A trigger keeps them, not an index on an
    # expression: under row-level security only a bare column can say where a page begins (functions are not
    # leak-proof), and what is stored cannot be disordered by an upgrade of the server's Unicode tables.
    sort_due = models.DateTimeField(db_default=UNDATED, editable=False)
    sort_title = models.TextField(db_default="", db_collation="C", editable=False)

    objects: ClassVar[models.Manager["Task"]] = TaskQuerySet.as_manager()

    class Meta:
        db_table = "tasks"
        constraints = [
            models.CheckConstraint(
                condition=Q(title__regex=r"\S"),
                name="tasks_title_not_blank",
                violation_error_message="The title must not be blank.",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), DESCRIPTION_MAX_LENGTH),
                name="tasks_description_length",
                violation_error_message=f"The description may have up to {DESCRIPTION_MAX_LENGTH:,} characters.",
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values),
                name="tasks_priority_known",
                violation_error_message="No such priority.",
            ),
            models.CheckConstraint(
                condition=Q(is_completed=Q(completed_at__isnull=False)),
                name="tasks_completed_at_matches",
                violation_error_message="A completed task has a completion time, an open one has none.",
            ),
            models.CheckConstraint(
                condition=Q(due_on=None) | Q(due_at=None),
                name="tasks_one_due",
                violation_error_message="A task is due on a day or at an instant, not both.",
            ),
            models.CheckConstraint(
                condition=Q(due_on__range=(FIRST_DATE, LAST_DATE)),
                name="tasks_due_on_range",
                violation_error_message="The due date is out of range.",
            ),
            models.CheckConstraint(
                condition=Q(due_at__range=(FIRST_INSTANT, LAST_INSTANT)),
                name="tasks_due_at_range",
                violation_error_message="The due time is out of range.",
            ),
            models.CheckConstraint(
                condition=Q(starts_on__range=(FIRST_DATE, LAST_DATE)),
                name="tasks_starts_on_range",
                violation_error_message="The start date is out of range.",
            ),
            models.CheckConstraint(
                condition=Q(GreaterThanOrEqual(Length("external_id"), 1))
                & Q(LessThanOrEqual(Length("external_id"), EXTERNAL_ID_MAX_LENGTH)),
                name="tasks_external_id_length",
                violation_error_message=f"An external id has 1 to {EXTERNAL_ID_MAX_LENGTH} characters.",
            ),
            models.CheckConstraint(
                condition=Q(recurrence__isnull=True) | Q(due_on__isnull=False) | Q(due_at__isnull=False),
                name="tasks_recurrence_due",
                violation_error_message="What recurs is due on a day or at an instant.",
            ),
            models.CheckConstraint(
                condition=Q(recurrence__isnull=True, series__isnull=True)
                | Q(
                    recurrence__isnull=False, series__isnull=False, occurrence__isnull=False, recurrence_of__isnull=True
                ),
                name="tasks_series_whole",
                violation_error_message="A series has an anchor and an occurrence, and is no copy of another.",
            ),
            models.CheckConstraint(
                condition=Q(occurrence__regex=OCCURRENCE),
                name="tasks_occurrence_form",
                violation_error_message="An occurrence is a day or an instant in UTC.",
            ),
            models.CheckConstraint(
                condition=Q(reminders=[])
                | Q(Func(F("reminders"), function="are_reminders", output_field=BooleanField())),
                name="tasks_reminders_form",
                violation_error_message=f"A task has at most {MOST_REMINDERS} reminders.",
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="tasks_version_positive"),
            # An id is the owner's own: that a stranger has the same one is no conflict, and cannot be found out.
            # The id comes first, so that staff can look one up without knowing whose it is.
            models.UniqueConstraint(
                fields=["id", "user"], name="tasks_id_unique", violation_error_message="The owner has this id already."
            ),
            models.UniqueConstraint(
                fields=["external_id", "user"],
                condition=Q(external_id__isnull=False),
                name="tasks_external_id_unique",
                violation_error_message="The owner has a task with this external id already.",
            ),
            models.UniqueConstraint(
                fields=["user", "recurrence_of", "occurrence"],
                condition=Q(recurrence_of__isnull=False, deleted_at=None),
                name="tasks_occurrence_unique",
                violation_error_message="This occurrence has been completed already.",
            ),
        ]
        # One index for each order of a list: a page reads just its rows, from where the cursor points, however many the
        # owner and the table have. Every write changes change_no, so no update is ever HOT and each writes to all of
        # these: docs/performance.md has what that costs.
        indexes = [
            # Whole, because who follows what changes reads from a number on, tombstones included, and because deleting
            # an owner looks for all of their tasks. It is the order of their updates, too.
            models.Index(fields=["user", "change_no"], name="tasks_by_change"),
            # The others leave out deleted tasks, so that a full trash slows down nobody's list.
            models.Index(fields=["user", "created_at", "id"], name="tasks_by_creation", condition=_LIVE),
            models.Index(fields=["user", "sort_due", "id"], name="tasks_by_due", condition=_LIVE),
            models.Index(fields=["user", "priority", "id"], name="tasks_by_priority", condition=_LIVE),
            models.Index(fields=["user", "sort_title", "id"], name="tasks_by_title", condition=_LIVE),
            # What is left to do is the list most asked for, and most tasks are done: filtering would read them all.
            models.Index(fields=["user", "sort_due", "id"], name="tasks_open", condition=_LIVE & Q(is_completed=False)),
            # These two hold deleted tasks only: an owner's trash, and what the purge looks for.
            models.Index(fields=["user", "deleted_at"], name="tasks_trash", condition=~_LIVE),
            models.Index(fields=["deleted_at"], name="tasks_purge", condition=~_LIVE),
            # For staff: what was completed of late. Open tasks are not in it, so writing them costs nothing.
            models.Index(fields=["completed_at"], name="tasks_completed", condition=Q(completed_at__isnull=False)),
            models.Index(
                fields=["user", "parent_id", "position"], name="tasks_children", condition=Q(parent_id__isnull=False)
            ),
            # A task at the top is in one of these. Not one index for both: one on the list is in no order where that
            # is null, and the last place of an inbox would be looked for among all of its tasks.
            models.Index(
                fields=["user", "list_id", "position", "id"],
                name="tasks_in_list",
                condition=_LIVE & Q(parent_id__isnull=True) & Q(list_id__isnull=False),
            ),
            models.Index(
                fields=["user", "position", "id"],
                name="tasks_in_inbox",
                condition=_LIVE & Q(parent_id__isnull=True) & Q(list_id__isnull=True),
            ),
            # For an owner's statistics, and lists by the time of completion: the same of one person, less the trash.
            models.Index(
                fields=["user", "completed_at"],
                name="tasks_done_by_owner",
                condition=Q(completed_at__isnull=False, deleted_at=None),
            ),
            # Each word carries its owner (migrations/0003), so a search does not read what others wrote.
            GinIndex(
                Func(F("user"), F("title"), F("description"), F("labels"), function="task_terms"), name="tasks_terms"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class TaskListQuerySet(models.QuerySet["TaskList"]):
    def live(self) -> "TaskListQuerySet":
        return self.filter(_LIVE)


class TaskList(models.Model):
    """A list that a user keeps tasks in. Tasks in none are in the inbox."""

    key = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # as a task's
    id = models.UUIDField(default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="lists",
        verbose_name="owner",
        db_index=False,
    )
    name = models.CharField(max_length=NAME_MAX_LENGTH, validators=[validate_name])
    color = models.CharField(max_length=7, null=True, blank=True, help_text="Such as #3366cc.")  # noqa: DJ001 -- in the API it is null, too
    # Where it stands among the owner's lists, compared byte by byte; made by the database (migrations/0012).
    position = models.TextField(db_collation="C", db_default="", editable=False)
    is_archived = models.BooleanField("archived", default=False, db_default=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField("deleted at", null=True, blank=True, editable=False)
    version = models.IntegerField(db_default=1, editable=False)
    change_no = models.BigIntegerField(db_default=0, editable=False)

    objects: ClassVar[models.Manager["TaskList"]] = TaskListQuerySet.as_manager()

    class Meta:
        db_table = "lists"
        verbose_name = "list"
        constraints = [
            models.CheckConstraint(
                condition=~Q(name__regex=text.BREAK),
                name="lists_name_one_line",
                violation_error_message="A name is one line, without control characters.",
            ),
            models.CheckConstraint(
                condition=Q(name__regex=text.VISIBLE),
                name="lists_name_visible",
                violation_error_message="The name must not be blank.",
            ),
            models.CheckConstraint(
                condition=Q(color__regex=COLOR),
                name="lists_color_shape",
                violation_error_message="A color is # and six hexadecimal digits.",
            ),
            models.CheckConstraint(
                condition=Q(is_archived=Q(archived_at__isnull=False)),
                name="lists_archived_at_matches",
                violation_error_message="An archived list has a time of archiving, another one has none.",
            ),
            # As of tasks: the id is the owner's own, and comes first for those who look one up without knowing whose.
            models.UniqueConstraint(
                fields=["id", "user"], name="lists_id_unique", violation_error_message="The owner has this id already."
            ),
        ]
        indexes = [
            # The one order that lists are shown in, and where the neighbours of a place are found.
            models.Index(fields=["user", "position", "id"], name="lists_by_position"),
            models.Index(fields=["deleted_at"], name="lists_purge", condition=~_LIVE),
            models.Index(fields=["user", "change_no"], name="lists_by_change"),
        ]

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """A change of a task or a list: a trigger writes each (migrations/0038), and nothing changes it afterwards.

    `before` is what the columns that it changed were before; null of a new row, and of one that is purged.
    """

    pk = models.CompositePrimaryKey("user_id", "change_no")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    change_no = models.BigIntegerField()
    action = models.BigIntegerField()  # the first number of the transaction
    at = models.DateTimeField()
    event = models.TextField()
    kind = models.TextField()
    entity_id = models.UUIDField()
    version = models.IntegerField()
    previous = models.BigIntegerField(null=True)  # the number of the same thing's change before
    actor_kind = models.TextField()
    actor_id = models.UUIDField(null=True)  # a token, or a member of staff
    request_id = models.TextField(blank=True, default="")
    before = models.JSONField(null=True)

    class Meta:
        db_table = "changes"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.event} {self.kind} {self.entity_id}"


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


class Reminder(models.Model):
    """When a task's reminder fires: a trigger keeps it (migrations/0046), the background process fires it.

    Pending until it is settled: fired, then it has a number, or found too late and missed. `mail_at` is when its mail
    is sent, or tried again; null where there is none, or none any more.
    """

    pk = models.CompositePrimaryKey("user_id", "task_id", "fires_at", "reminder")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    task_id = models.UUIDField()  # a reference over the owner, too
    reminder = models.TextField(db_collation="C")  # as JSON: a member of the task's `reminders`
    fires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    change_no = models.BigIntegerField(null=True)  # the number that it took among its owner's changes
    mail_at = models.DateTimeField(null=True)
    mail_tries = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "reminders"
        default_permissions = ()
        indexes = [
            # What fires next, and what is late: no more than a few rows are in it that are due.
            models.Index(fields=["fires_at"], name="reminders_pending", condition=Q(settled_at=None)),
            # For live streams: what has fired since a number.
            models.Index(fields=["user", "change_no"], name="reminders_fired", condition=Q(change_no__isnull=False)),
            models.Index(fields=["mail_at"], name="reminders_to_mail", condition=Q(mail_at__isnull=False)),
            models.Index(fields=["settled_at"], name="reminders_purge", condition=Q(settled_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reminder} of {self.task_id}"


class Webhook(models.Model):
    """An address that is told of an owner's changes, and how far it has been told of them (tasks/webhooks).

    Its owner sees what stands above `position`; the rest is how it is delivered to. A trigger keeps both
    (migrations/0048).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="webhooks",
        verbose_name="owner",
        db_index=False,
    )
    url = models.TextField("URL")
    events = ArrayField(models.TextField())  # types, or all of a kind: task.*
    secret = models.BinaryField()  # encrypted
    # The secret before: it signs, too, for a day after the rotation.
    old_secret = models.BinaryField(null=True)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_enabled = models.BooleanField("enabled", default=True, db_default=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.TextField(null=True, blank=True, editable=False)  # noqa: DJ001 -- in the API it is null, too
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.PositiveIntegerField(db_default=1, editable=False)
    # The number of the last change that is through: delivered, set aside, or none that the hook wants.
    position = models.BigIntegerField(db_default=0, editable=False)
    begun_at = models.DateTimeField(db_default=Now(), editable=False)  # made or enabled: what is older is not delivered
    # Only who has the last number of the lease may move the position, and nobody else takes it before its end.
    lease_no = models.BigIntegerField(db_default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    # Of the first change behind the position: how often it has failed, the row that says so, when it is tried again.
    tries = models.PositiveSmallIntegerField(db_default=0, editable=False)
    delivery_id = models.UUIDField(null=True, editable=False)
    next_try_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)  # the first failure since the last success
    # What its owner is still to be told by mail, and when that is tried.
    notice = models.TextField(null=True, editable=False)  # noqa: DJ001 -- null: nothing
    notice_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "webhooks"
        constraints = [
            # An owner's hooks; and what deliveries refer to, over the owner, too.
            models.UniqueConstraint(fields=["user", "id"], name="webhooks_id_of_user"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("url"), URL_MAX_LENGTH), name="webhooks_url_length"
            ),
            models.CheckConstraint(condition=~Q(events=[]), name="webhooks_events_some"),
            models.CheckConstraint(
                condition=Q(is_enabled=Q(disabled_at__isnull=True)), name="webhooks_disabled_at_matches"
            ),
        ]
        indexes = [
            models.Index(fields=["notice_at"], name="webhooks_to_tell", condition=Q(notice_at__isnull=False)),
        ]

    def __str__(self) -> str:
        parts = urlsplit(self.url)  # the rest may be a secret
        return f"{parts.scheme}://{parts.netloc}{parts.path}"


class WebhookDelivery(models.Model):
    """What became of one event at a hook, or of a test.

    Delivered or failed, then it is done; `retrying` while its hook waits for it; `queued` and `set_aside` are tried by
    themselves at `next_try_at`. The number of tries is the lease of those.
    """

    class State(models.TextChoices):
        DELIVERED = "delivered"
        RETRYING = "retrying"
        QUEUED = "queued"
        SET_ASIDE = "set_aside", "set aside"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    webhook_id = models.UUIDField()  # a reference over the owner, too
    change_no = models.BigIntegerField(null=True)  # null: a test
    type = models.TextField()
    state = models.TextField(choices=State)
    tries = models.PositiveSmallIntegerField(db_default=0)
    status = models.PositiveSmallIntegerField(null=True)  # of the last answer
    error = models.TextField(null=True)  # noqa: DJ001 -- null: it was answered
    duration_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    tried_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True)

    class Meta:
        # In the order of names it comes after what it refers to: an erasure locks them as everybody does.
        db_table = "webhooks_deliveries"
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "webhook_id", "id"], name="webhooks_deliveries_of_hook"),
            models.Index(
                fields=["next_try_at"], name="webhooks_deliveries_due", condition=Q(state__in=["queued", "set_aside"])
            ),
            models.Index(
                fields=["user"], name="webhooks_deliveries_queued", condition=Q(state="queued")
            ),  # are counted
            models.Index(fields=["created_at"], name="webhooks_deliveries_by_age"),  # the purge reads the oldest
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.state}"


class BackgroundJob(models.Model):
    """When a job that is done once a day was done last, whoever did it. It is nobody's, and no role may see it."""

    name = models.TextField(primary_key=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # of the last one that was done whole
    leased_until = models.DateTimeField(null=True)  # by the process that does it now

    class Meta:
        db_table = "background_jobs"
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
