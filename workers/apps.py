from contextlib import suppress

from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = "Write path"

    def ready(self) -> None:
        from workers import checks, conf, middleware, registry  # noqa: F401 - registers the checks
        from workers.store import identity, opening, read_limit
        from workers.stream import celery_app

        conf.settle()
        if apps.is_installed("rest_framework"):
            from workers.rest import queued  # noqa: F401 - registers its write function
            from workers.rest.checks import check_views

            register(check_views, Tags.urls)
        middleware.install()
        read_limit.connect()
        opening.look_for_json_without_the_store()
        connection_created.connect(opening.configure, dispatch_uid="workers.store.opening.configure")
        post_migrate.connect(
            identity.ensure_after_migrate,
            sender=self,
            dispatch_uid="workers.store.identity.ensure_after_migrate",
        )
        autodiscover_modules("write_functions")
        if registry.is_used():
            # Now rather than at the first ring, which would import it in the middle of a request. A project
            # without one hears of it from its checks.
            with suppress(celery_app.NoCeleryApp):
                celery_app.find()
