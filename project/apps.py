from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        from project import authentication, logins  # noqa: F401 - registers the OpenAPI extension

        logins.connect()


class AdminConfig(DjangoAdminConfig):
    default_site = "project.admin.ReadOnlyAdminSite"
