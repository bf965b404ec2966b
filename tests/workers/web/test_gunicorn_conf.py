"""The configuration of the web server, as gunicorn reads it: by its path, first of all."""

import os
import subprocess
import sys

from tests.e2e.service import BASE_DIR

PROGRAM = """
import runpy
conf = runpy.run_path("workers/web/gunicorn_conf.py")
import socket, threading
from workers import off_loop
print(off_loop.is_needed(), threading.Lock.__module__, socket.socket.__module__, conf["worker_class"])
"""


def test_the_configuration_patches_before_anything_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        check=True,
        capture_output=True,
        text=True,
    )

    is_needed, lock, socket, worker_class = done.stdout.split()
    assert is_needed == "True"
    assert lock.startswith("gevent") and socket.startswith("gevent")
    assert worker_class == "workers.web.worker.FairGeventWorker"
