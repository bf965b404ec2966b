"""`python -m workers.testing.writer_process STORE DIRECTORY REDIS_URL`: a Redis, and a writer for a test.

Ends when its standard input does, so with the test process, however that ends.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import django
from celery import Celery
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from workers.celery import prepare
from workers.stream import celery_app
from workers.up import embedded_redis
from workers.up.parent_death import exit_with_parent

REDIS_START_SECONDS = 10.0
GRACE_SECONDS = 20.0
"""For the batch that is under way; then this process ends as it is."""

_input_has_ended = threading.Event()


def main(store: str, directory: Path, redis_url: str) -> None:
    try:
        # Before there are threads, beside which exit_with_parent would be unsafe.
        command = [str(embedded_redis.find_binary()), *embedded_redis.prepare(directory)]
        with subprocess.Popen(command, preexec_fn=exit_with_parent()) as redis_server:
            try:
                threading.Thread(target=_end_with_input, daemon=True).start()
                _write(store, directory, redis_url)
            finally:
                redis_server.kill()  # nothing in it is worth an orderly end
    finally:
        if _input_has_ended.is_set():  # else the test process wants to read the log
            shutil.rmtree(directory, ignore_errors=True)


def _write(store: str, directory: Path, redis_url: str) -> None:
    socket = embedded_redis.socket_path(directory)
    if not embedded_redis.wait_until_responds(socket, within_seconds=REDIS_START_SECONDS):
        sys.exit(f"Redis does not respond at {socket}.")
    django.setup()
    settings.REDIS_URL = redis_url
    connections["default"].settings_dict["NAME"] = store
    _prepare_celery()
    call_command("writer", loglevel="INFO")


def _prepare_celery() -> None:
    """Take the project's Celery app, or one of our own where it has none."""
    try:
        celery_app.find()
    except celery_app.NoCeleryApp:
        prepare(Celery("workers.testing"))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    _input_has_ended.set()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
