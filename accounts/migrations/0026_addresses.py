"""Secret addresses: tokens of kinds of their own, each good for one door and as no bearer token (tasks/0064).

A calendar's may only read tasks, a Todo-Backend's nothing but tasks; whatever is to lie behind one list only says so.
"""

from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

SCHEMA = settings.DATABASE_SCHEMA

GRANT = "GRANT SELECT (list_id), INSERT (list_id) ON {schema}.access_tokens TO todo_account;"
REVOKE = "REVOKE SELECT (list_id), INSERT (list_id) ON {schema}.access_tokens FROM todo_account;"
# The release before knows no such kind, and its rule would refuse them.
FORGET = "DELETE FROM {schema}.access_tokens WHERE kind NOT IN ('session', 'personal');"

KINDS = [
    ("session", "login"),
    ("personal", "personal access token"),
    ("todos", "calendar of tasks"),
    ("events", "calendar of events"),
    ("backend", "Todo-Backend address"),
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0025_stream_tickets")]
    unsafe = {"ban-drop-constraint": "the next operations put the same rule in its place, with the new kinds in it"}

    operations = [
        migrations.AddField(
            "accesstoken",
            "list_id",
            models.UUIDField(blank=True, editable=False, null=True, verbose_name="list"),
        ),
        migrations.AlterField("accesstoken", "kind", models.CharField(choices=KINDS, default="personal", max_length=8)),
        migrations.RemoveConstraint("accesstoken", "access_tokens_kind_known"),
        AddConstraintNotValid(
            "accesstoken",
            models.CheckConstraint(
                condition=Q(
                    ("kind__in", ["session", "personal"]),
                    Q(("kind", "backend"), ("scopes__contained_by", ["tasks:read", "tasks:write"])),
                    Q(("kind__in", ["todos", "events"]), ("scopes", ["tasks:read"])),
                    _connector="OR",
                ),
                name="access_tokens_kind_fits",
            ),
        ),
        AddConstraintNotValid(
            "accesstoken",
            models.CheckConstraint(
                condition=Q(
                    ("list_id", None), Q(("kind__in", ["session", "personal"]), _negated=True), _connector="OR"
                ),
                name="access_tokens_list_of_address",
            ),
        ),
        migrations.RunSQL(GRANT.format(schema=SCHEMA), REVOKE.format(schema=SCHEMA)),
        migrations.RunSQL(migrations.RunSQL.noop, FORGET.format(schema=SCHEMA)),
    ]
