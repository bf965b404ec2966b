import re
import socket
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from workers.stream import celery_app, doorbell


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

    def handle(self, *, name: str, loglevel: str, **options: Any) -> None:
        try:
            app = celery_app.find()
        except celery_app.NoCeleryApp as exc:
            raise CommandError(str(exc)) from exc
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
