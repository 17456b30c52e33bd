"""The lists that tasks are kept in."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from tasks.models.task import LIVE
from tasks.models.validators import NAME_MAX_LENGTH, validate_name
from todoproject import text

COLOR = r"^#[0-9a-fA-F]{6}$"


class TaskListQuerySet(models.QuerySet["TaskList"]):
    def live(self) -> "TaskListQuerySet":
        return self.filter(LIVE)


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
            models.Index(fields=["deleted_at"], name="lists_purge", condition=~LIVE),
            models.Index(fields=["user", "change_no"], name="lists_by_change"),
        ]

    def __str__(self) -> str:
        return self.name
