from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "project.api"

    def ready(self) -> None:
        from project.api import checks  # noqa: F401 - registers them
