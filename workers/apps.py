from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.utils.module_loading import autodiscover_modules


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = "Write path"

    def ready(self) -> None:
        from workers import checks, store  # noqa: F401 - registers the checks

        connection_created.connect(store.configure, dispatch_uid="workers.store.configure")
        autodiscover_modules("write_functions")
