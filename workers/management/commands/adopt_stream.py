import sys
from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError

from workers.encoding.counts import counted
from workers.exceptions import NotAccepted
from workers.store import identity
from workers.stream import heartbeat, keys, ownership, redis_stream
from workers.stream.redis_client import connect


class Command(BaseCommand):
    help = (
        "Make the stream in Redis that of this store, with all accepted writes that wait in it: for a store "
        "that goes on in another one's place, such as a copy on a new machine. Refused while a writer works."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-input", action="store_true", help="do not ask for confirmation")

    def handle(self, *, no_input: bool, **options: Any) -> None:
        try:
            with connect(timeout_seconds=2.0) as client:
                self._adopt(client, asks=not no_input)
        except NotAccepted as exc:
            raise CommandError(str(exc)) from exc
        except redis.RedisError as exc:
            raise CommandError(f"Redis does not respond: {exc}. Nothing was changed.") from exc

    def _adopt(self, client: redis.Redis, *, asks: bool) -> None:
        owner = ownership.owner(client)
        if owner is not None and owner.store == str(identity.current()):
            self.stdout.write("The stream is this store's already.")
            return
        writer = heartbeat.read(client)
        if writer is not None:
            raise CommandError(
                f"The writer of the stream is at work (pid {writer.pid} on {writer.host}): stop it first."
            )
        waiting = redis_stream.length(client)
        where = f"{owner.path} on {owner.host}" if owner and owner.path else "nobody that is known"
        there = counted(waiting, "write waits", "writes wait")
        self.stdout.write(f"The stream {keys.stream()} belongs to {where}; {there} in it.")
        if asks and not self._confirmed(waiting):
            raise CommandError("Nothing was changed.")
        ownership.claim(client, by_order=True)
        these = counted(waiting, "write that waits", "writes that wait")
        self.stdout.write(f"It is this store's now. Its writer will commit the {these}.")

    def _confirmed(self, waiting: int) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Say --no-input where nobody can be asked.")
        return input(f"Commit {counted(waiting, 'write')} to this store? [y/N] ").strip().lower() == "y"
