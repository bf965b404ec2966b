from django.apps import AppConfig


class WithoutWritePath(AppConfig):
    """The app `workers` for its models' sake, without its hook: peers write the store themselves."""

    name = "workers"
    verbose_name = "Write path, not used"
