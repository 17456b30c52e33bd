from django.apps import AppConfig


class TodoprojectConfig(AppConfig):
    name = "todoproject"

    def ready(self) -> None:
        from todoproject import checks, logs  # noqa: F401 -- importing checks registers them

        logs.configure()
