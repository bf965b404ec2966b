from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError

from workers.encoding.times import utc_text
from workers.exceptions import StoreNotReady, StreamOfAnotherStore
from workers.management.console import whole_number
from workers.operations import pause
from workers.store.opening import lock_holder
from workers.stream.redis_client import connect

LONGEST_SECONDS = 3_600
"""A pause that somebody forgot ends by itself before the stream is full."""

REPLY_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Let the writer give the store back for a while, and say when it has. Writes are accepted meanwhile "
        "and wait; they are committed in order afterwards. Ends by itself, or with `resume`."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds",
            type=whole_number(1, LONGEST_SECONDS, of="seconds"),
            default=300,
            metavar="N",
            help=f"end by itself after so many seconds, {LONGEST_SECONDS} at most (default: 300)",
        )

    def handle(self, *, seconds: int, **options: Any) -> None:
        try:
            with connect(timeout_seconds=REPLY_SECONDS) as client:
                paused = pause.pause(client, seconds=seconds)
        except (pause.StillWriting, StreamOfAnotherStore, StoreNotReady) as exc:
            raise CommandError(str(exc)) from exc
        except redis.RedisError as exc:
            raise CommandError(
                f"Redis does not respond: {exc}\nWhether the writer pauses is unknown. Start Redis, "
                "or stop the writer instead."
            ) from exc
        what = (
            "The writer has given the lease back."
            if paused.was_at_work
            else "No writer is at work; one that starts stays paused."
        )
        holder = lock_holder()
        if holder:
            what += f" The store is not at rest: {holder} writes it."
        self.stdout.write(
            f"{what} Paused until {utc_text(paused.until)} ({seconds} s). "
            "End it earlier with `manage.py resume`."
        )
