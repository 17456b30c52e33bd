"""Proves the rules of 0026 for the tokens that there were."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0026_addresses")]

    operations = [
        ValidateConstraint("accesstoken", "access_tokens_kind_fits"),
        ValidateConstraint("accesstoken", "access_tokens_list_of_address"),
    ]
