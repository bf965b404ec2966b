"""A test run is told from a process of the service, whose stream it must not take."""

import os
import sys

from tests import forks
from tests.e2e.service import BASE_DIR
from workers.store import identity

PROGRAM = """
import django
django.setup()
from workers.store import identity
print(identity.is_test_run())
"""


def test_a_test_run_is_known_for_one_and_a_process_of_the_service_is_not() -> None:
    done = forks.run(
        [sys.executable, "-c", PROGRAM],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        check=True,
    )

    assert identity.is_test_run()
    assert done.stdout.strip() == "False"
