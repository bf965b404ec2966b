from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "project.accounts"

    def ready(self) -> None:
        from project.accounts import authentication  # noqa: F401 - registers the OpenAPI extension
