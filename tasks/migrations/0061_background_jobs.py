"""When each job of the background process was done last: what is done once a day must not be done by each process."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0057_drop_by_update")]

    operations = [
        migrations.CreateModel(
            name="BackgroundJob",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("begun_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
            ],
            options={"db_table": "background_jobs", "default_permissions": ()},
        ),
    ]
