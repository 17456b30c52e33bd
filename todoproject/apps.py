from django.apps import AppConfig
from django.contrib.admin import apps as admin


class TodoprojectConfig(AppConfig):
    name = "todoproject"
    default = True

    def ready(self) -> None:
        from todoproject import checks  # noqa: F401 -- importing checks registers them
        from todoproject.observability import logs

        logs.configure()


class StaffAdminConfig(admin.AdminConfig):
    """Django's admin behind our own door."""

    default = False
    default_site = "accounts.staff.site.StaffSite"
