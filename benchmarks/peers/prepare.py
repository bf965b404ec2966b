"""Make DATA_DIR's store with the demo user and a token, for the settings in DJANGO_SETTINGS_MODULE."""

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from project.demo import access  # noqa: E402
from workers import Role, set_role  # noqa: E402

if __name__ == "__main__":
    set_role(Role.COMMAND)
    call_command("migrate", verbosity=0)
    access.prepare(settings.DATA_DIR)
