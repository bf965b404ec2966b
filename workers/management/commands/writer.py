import re
import socket
import warnings
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from celery.exceptions import SecurityWarning
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from workers.management.console import path
from workers.stream import celery_app, doorbell
from workers.up import watchdog as watchdog_process


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise ArgumentTypeError("use up to 64 letters, digits, _ . and -")
    return value


class Command(BaseCommand):
    help = (
        "Run the writer: the Celery worker that commits the writes. A second one stands by and takes over "
        "when the first one ends. SIGTERM lets it finish its batch; what waits stays in the stream."
    )
    requires_system_checks = []  # Celery runs them itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--name",
            type=_name,
            default="writer",
            help="its name in Celery, before @ and the host (default: writer)",
        )
        parser.add_argument(
            "--loglevel",
            default="WARNING",
            choices=["DEBUG", "INFO", "WARNING", "ERROR"],
            help="of Celery's own lines; LOG_LEVEL is that of the write path (default: WARNING)",
        )

        parser.add_argument(
            "--watchdog",
            action="store_true",
            help="run it as the child of a process that kills it when it makes no progress, and starts it "
            "again whenever it has ended. For containers: `up` does this by itself, systemd by WatchdogSec=",
        )
        parser.add_argument(
            "--progress-file",
            type=path,
            metavar="PATH",
            help="with --watchdog: set the time of this file at each sign of progress, for a health check",
        )

    def handle(
        self,
        *,
        name: str,
        loglevel: str,
        watchdog: bool,
        progress_file: Path | None,
        **options: Any,
    ) -> None:
        try:
            app = celery_app.find()
        except celery_app.NoCeleryApp as exc:
            raise CommandError(str(exc)) from exc
        if watchdog:
            self._watch(name, loglevel, progress_file)
            return
        # Of pickle, which comes from nobody to this queue. Five lines at each start, where it runs as root.
        warnings.filterwarnings("ignore", "You're running the worker with superuser", SecurityWarning)
        connections.close_all()  # what is opened from now on is the writer's, once it holds the lease
        # fmt: off
        app.worker_main([
            "--quiet", "worker",
            "--queues", doorbell.QUEUE, "--pool", "solo", "--concurrency", "1",
            "--hostname", f"{name}@{socket.gethostname()}", "--loglevel", loglevel,
            # Nobody else would listen, and each of them is a message more.
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        ])
        # fmt: on

    def _watch(self, name: str, loglevel: str, progress_file: Path | None) -> None:
        try:
            orderly = watchdog_process.run(name, "--loglevel", loglevel, progress_file=progress_file)
        except OSError as exc:
            where = f"{exc.filename}: " if exc.filename else ""
            raise CommandError(f"{where}{exc.strerror or exc}") from exc
        if not orderly:
            raise CommandError("Killed at the second signal; what was accepted is kept.")
