"""Tasks: their columns, what holds for them, and an index for each order that they are listed in."""

from datetime import UTC, date, datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from uuid_utils.compat import uuid7

from tasks.models.validators import (
    DESCRIPTION_MAX_LENGTH,
    TITLE_MAX_LENGTH,
    validate_description,
    validate_label,
    validate_title,
)

MOST_LABELS = 20
EXTERNAL_ID_MAX_LENGTH = 255
MOST_REMINDERS, MOST_MINUTES_BEFORE = 5, 40_320  # four weeks
# A day, or an instant in UTC, as the API writes them: texts in the order of time, compared byte by byte.
OCCURRENCE = r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{6}Z)?$"
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


LIVE = Q(deleted_at=None)


class TaskQuerySet(models.QuerySet["Task"]):
    def live(self) -> "TaskQuerySet":
        return self.filter(LIVE)


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
            models.Index(fields=["user", "created_at", "id"], name="tasks_by_creation", condition=LIVE),
            models.Index(fields=["user", "sort_due", "id"], name="tasks_by_due", condition=LIVE),
            models.Index(fields=["user", "priority", "id"], name="tasks_by_priority", condition=LIVE),
            models.Index(fields=["user", "sort_title", "id"], name="tasks_by_title", condition=LIVE),
            # What is left to do is the list most asked for, and most tasks are done: filtering would read them all.
            models.Index(fields=["user", "sort_due", "id"], name="tasks_open", condition=LIVE & Q(is_completed=False)),
            # These two hold deleted tasks only: an owner's trash, and what the purge looks for.
            models.Index(fields=["user", "deleted_at"], name="tasks_trash", condition=~LIVE),
            models.Index(fields=["deleted_at"], name="tasks_purge", condition=~LIVE),
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
                condition=LIVE & Q(parent_id__isnull=True) & Q(list_id__isnull=False),
            ),
            models.Index(
                fields=["user", "position", "id"],
                name="tasks_in_inbox",
                condition=LIVE & Q(parent_id__isnull=True) & Q(list_id__isnull=True),
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
