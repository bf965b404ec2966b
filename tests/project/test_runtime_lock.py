"""`make run` installs less than the tests have: what the service imports must be in its own lock."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

from tests.e2e.service import BASE_DIR

IMPORT_EVERYTHING = """
import sys

# Hides what only the tests have: libraries import some of it where they find it.
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in HIDDEN:
            raise ModuleNotFoundError(f"{name} is not in requirements.lock", name=name)

HIDDEN = set(sys.argv[1:])
sys.meta_path.insert(0, Absent())
import django; django.setup()
import workers.web.worker, kombu.transport.redis, project.urls
import workers.up.supervisor, workers.up.service
import celery.bin.worker, celery.apps.worker, django.core.management
for name in ("up", "load_test", "two_sessions", "create_token", "writer_status", "doctor", "failed_writes"):
    app = django.core.management.get_commands()[name]
    django.core.management.load_command_class(app, name)
"""


def test_the_service_can_be_imported_with_nothing_but_what_is_in_its_lock() -> None:
    names = re.findall(r"^([a-z0-9._-]+)==", (BASE_DIR / "requirements.lock").read_text(), re.MULTILINE)
    present = {_normal(name) for name in names} | {"pip", "setuptools", "one-writer"}
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if not present.intersection(map(_normal, owners))
    ]
    assert "pytest" in hidden

    command = [sys.executable, "-c", IMPORT_EVERYTHING, *hidden]
    run = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
