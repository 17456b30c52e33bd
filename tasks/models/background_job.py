"""What is done once a day, whoever does it."""

from django.db import models


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
