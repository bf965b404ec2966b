"""`make run` installs less than the tests have: what the service imports must be in its own lock."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

from tests.e2e.service import BASE_DIR

IMPORT_EVERYTHING = """
import gevent.monkey; gevent.monkey.patch_all()
import sys, django; django.setup()
import gunicorn.workers.ggevent, kombu.transport.redis, project.urls, project.supervisor, project.service
import celery.bin.worker, celery.apps.worker, django.core.management
for name in ("up", "load_test", "two_sessions", "create_token", "writer_status", "doctor", "failed_writes"):
    app = django.core.management.get_commands()[name]
    django.core.management.load_command_class(app, name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_every_package_that_the_service_imports_is_in_its_lock() -> None:
    names = re.findall(r"^([a-z0-9._-]+)==", (BASE_DIR / "requirements.lock").read_text(), re.MULTILINE)
    locked = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    printed = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], cwd=BASE_DIR, capture_output=True, text=True, check=True
    ).stdout
    owners = packages_distributions()

    imported = {owner for module in printed.split() for owner in owners.get(module, [])}

    missing = {re.sub(r"[-_.]+", "-", name).lower() for name in imported} - locked
    assert missing <= {"pip", "setuptools", "one-writer"}
