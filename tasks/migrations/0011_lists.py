"""Lists, and the list that a task is in; the rules come with the next migration."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

import tasks.models
from todoproject import text


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0010_positions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TaskList",
            fields=[
                (
                    "key",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False)),
                ("name", models.CharField(max_length=100, validators=[tasks.models.validate_name])),
                ("color", models.CharField(blank=True, help_text="Such as #3366cc.", max_length=7, null=True)),
                ("position", models.TextField(db_collation="C", db_default="", editable=False)),
                ("is_archived", models.BooleanField(db_default=False, default=False, verbose_name="archived")),
                ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("updated_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="deleted at")),
                ("version", models.PositiveIntegerField(db_default=1, editable=False)),
                ("change_no", models.BigIntegerField(db_default=0, editable=False)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lists",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "list",
                "db_table": "lists",
                "indexes": [
                    models.Index(fields=["user", "position", "id"], name="lists_by_position"),
                    models.Index(
                        condition=models.Q(("deleted_at", None), _negated=True),
                        fields=["deleted_at"],
                        name="lists_purge",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", text.BREAK), _negated=True),
                        name="lists_name_one_line",
                        violation_error_message="A name is one line, without control characters.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", text.VISIBLE)),
                        name="lists_name_visible",
                        violation_error_message="The name must not be blank.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("color__regex", "^#[0-9a-fA-F]{6}$")),
                        name="lists_color_shape",
                        violation_error_message="A color is # and six hexadecimal digits.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_archived", models.Q(("archived_at__isnull", False)))),
                        name="lists_archived_at_matches",
                        violation_error_message="An archived list has a time of archiving, another one has none.",
                    ),
                    models.UniqueConstraint(
                        fields=("id", "user"),
                        name="lists_id_unique",
                        violation_error_message="The owner has this id already.",
                    ),
                ],
            },
        ),
        migrations.AddField("task", "list_id", models.UUIDField(blank=True, null=True, verbose_name="list")),
        migrations.AddField("task", "deleted_with", models.UUIDField(blank=True, editable=False, null=True)),
    ]
