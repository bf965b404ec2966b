from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError

from workers.exceptions import StoreNotReady, StreamOfAnotherStore
from workers.operations import pause
from workers.stream.redis_client import connect

REPLY_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "End a pause that `pause` began, and wait until a writer is at work again. "
        "Exit status 1 when none is, although the pause is withdrawn."
    )
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        try:
            with connect(timeout_seconds=REPLY_SECONDS) as client:
                was_paused, writer = pause.resume(client)
        except (pause.NobodyWrites, StreamOfAnotherStore, StoreNotReady) as exc:
            raise CommandError(str(exc)) from exc
        except redis.RedisError as exc:
            raise CommandError(
                f"Redis does not respond: {exc}\nStart Redis and run this again; a pause ends by itself, too."
            ) from exc
        begin = "The pause is withdrawn." if was_paused else "There was no pause."
        self.stdout.write(f"{begin} The writer is at work: pid {writer.pid} on {writer.host}.")
