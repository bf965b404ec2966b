from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import autodiscover_modules


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = "Write path"

    def ready(self) -> None:
        from workers import checks, identity, reads, store, turn  # noqa: F401 - registers the checks

        reads.connect()
        connection_created.connect(store.configure, dispatch_uid="workers.store.configure")
        pre_migrate.connect(turn.keep_while_migrating, dispatch_uid="workers.turn.keep_while_migrating")
        post_migrate.connect(turn.keep_no_longer, dispatch_uid="workers.turn.keep_no_longer")
        post_migrate.connect(
            identity.ensure_after_migrate, sender=self, dispatch_uid="workers.identity.ensure_after_migrate"
        )
        autodiscover_modules("write_functions")
