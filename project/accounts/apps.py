from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "project.accounts"

    def ready(self) -> None:
        from project.accounts import authentication, logins  # noqa: F401 - one registers the OpenAPI extension

        logins.connect()
