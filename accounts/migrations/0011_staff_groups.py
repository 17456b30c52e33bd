"""The three groups of staff. Rights are only ever added: what an operator has given besides stays, and so on again.

Permissions are made after all migrations, so on a first start they are not there yet: they are made here.
"""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = ["accounts.view_user", "accounts.view_accesstoken", "tasks.view_task"]
SUPPORT = [
    *VIEWER,
    "tasks.change_task",
    "tasks.delete_task",
    "accounts.change_user",
    "accounts.change_accesstoken",
    "accounts.deactivate_user",
    "accounts.send_reset_user",
    "accounts.lift_limit_user",
]
ADMINISTRATOR = [
    *SUPPORT,
    "tasks.add_task",
    "accounts.add_user",
    "accounts.export_user",
    "accounts.erase_user",
    "accounts.reset_second_factor_user",
    "accounts.grant_user",
    "accounts.view_auditevent",
    "auth.view_group",
]
GROUPS = {"Viewer": VIEWER, "Support": SUPPORT, "Administrator": ADMINISTRATOR}


def make_groups(apps: Any, schema_editor: Any) -> None:
    for label in ("accounts", "auth", "tasks"):
        config = apps.get_app_config(label)
        config.models_module = True  # a historical app has none, and without one nothing is made
        create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
        config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, rights in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        for right in rights:
            app, codename = right.split(".")
            group.permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))


def remove_groups(apps: Any, schema_editor: Any) -> None:
    apps.get_model("auth", "Group").objects.filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_audit_fence"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("tasks", "0001_initial"),
    ]

    operations = [migrations.RunPython(make_groups, remove_groups, elidable=False)]
