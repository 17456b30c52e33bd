"""The mailbox of addresses that exist: only those with other letters than ASCII have one to be stored.

Where two accounts are one mailbox, the older keeps it to itself; both go on, each under the address as it is written.
"""

from typing import Any

from django.db import migrations
from django.db.models.functions import Lower

from accounts import addresses

LONGEST = 254


def fill(apps: Any, schema_editor: Any) -> None:
    """Store each mailbox that nobody has."""
    users = apps.get_model("accounts", "User").objects
    for user in users.exclude(email__regex=r"^[\x01-\x7f]*$").filter(mailbox="").order_by("pk").iterator():
        mailbox = addresses.stored_mailbox(user.email)
        plain = users.annotate(lower_email=Lower("email")).filter(lower_email=mailbox)
        is_free = not plain.exists() and not users.filter(mailbox=mailbox).exists()
        if is_free and len(mailbox) <= LONGEST:
            users.filter(pk=user.pk, email=user.email).update(mailbox=mailbox)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0017_mailboxes_and_sessions")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
