import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import supports_color
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.urls import NoReverseMatch, reverse

from workers import store_problem
from workers.encoding.counts import counted
from workers.service_settings import place
from workers.up import embedded_redis, service
from workers.up.output import Console
from workers.up.run_lock import AlreadyRunning, RunLock
from workers.up.supervisor import OWN_NAME, Supervisor

ORPHANS_SECONDS = 45
"""How long the processes of a killed `up` may take to end: longer than a web process needs to finish."""


class Command(BaseCommand):
    help = (
        "Run the whole service in this terminal: Redis (unless REDIS_URL names one), the writer and the web "
        "server. What dies is started again. Ctrl-C stops everything in order, a second Ctrl-C at once. "
        "Environment: DATA_DIR, HOST, PORT, REDIS_URL, WEB_PROCESSES."
    )

    def handle(self, **options: Any) -> None:
        os.umask(0o077)  # inherited: for Redis's files, the store, static files and what tasks write
        data_dir = Path(place.DATA_DIR)
        self._lock = RunLock(data_dir)
        self._has_started = False
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock.held(
                url=service.url(), orphans_seconds=ORPHANS_SECONDS, say=self._say
            ) as processes_descriptor:
                self._prepare()
                orderly = self._supervise(processes_descriptor, colour=not options["no_color"])
        except (
            AlreadyRunning,
            service.AddressUnavailable,
            service.ApplicationMissing,
            service.RedisUnavailable,
            embedded_redis.EmbeddedRedisUnavailable,
            service.WebServerMissing,
        ) as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            if self._has_started:
                raise  # an error in the supervisor, to be shown with its traceback
            where = f"{exc.filename}: " if exc.filename else ""
            raise CommandError(
                f"{where}{exc.strerror or exc}. Make room or correct what is there in DATA_DIR="
                f"{os.fspath(place.DATA_DIR)!r}, then start again."
            ) from exc
        except KeyboardInterrupt:
            raise CommandError("Interrupted before anything was started.", returncode=130) from None
        if not orderly:
            raise CommandError("Killed everything at the second signal; what was accepted is kept.")

    def _prepare(self) -> None:
        """Migrate the store while no other process can be writing it."""
        service.check_web_server()
        service.check_application()
        service.check_address()
        self._redis_binary = None
        if service.has_own_redis():
            self._redis_binary = embedded_redis.find_binary()
        else:
            service.check_redis()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            call_command("migrate", interactive=False, verbosity=0)
            self._say(
                f"Applied {counted(len(plan), 'migration')} to {settings.DATABASES['default']['NAME']}."
            )
        self.prepare()
        # The processes are forked from this one, and a connection to the store must not cross a fork.
        store_problem()  # remembers the store's identity: from here on this process does not open the store
        connections.close_all()

    def _supervise(self, processes_descriptor: int, *, colour: bool) -> bool:
        processes = service.processes(self._redis_binary)
        self._has_started = True
        names = [*(process.name for process in processes), OWN_NAME]
        supervisor = Supervisor(
            processes,
            console=Console(self._say, names=names, colour=colour and supports_color()),
            cwd=Path(place.BASE_DIR),
            env=service.environment(),
            keep_open=[processes_descriptor],
            on_start=self._lock.note_process,
        )
        return supervisor.run(self._welcome)

    def prepare(self) -> None:
        """Prepare the migrated store before anything starts. For subclasses; does nothing here."""

    def welcome(self, url: str) -> list[str]:
        """Return the lines that say how to use the running service at `url`."""
        try:
            return [f"Admin          {url}{reverse('admin:index')}"]
        except NoReverseMatch:
            return []

    def _welcome(self, unready: Sequence[str]) -> None:
        url = service.url()
        lines = ["", f"Running at     {url}", *self.welcome(url), ""]
        if unready:
            lines.append(f"Not ready yet: {', '.join(unready)}. The lines above may say why.")
        lines += ["Ctrl-C stops everything.", ""]
        self._say("\n".join(lines))

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def shown(path: Path) -> str:
    """Return a path as it is found from where `up` was started: a short one, where that is the project."""
    is_near = Path.cwd() == Path(place.BASE_DIR) and path.is_relative_to(Path.cwd())
    return os.path.relpath(path) if is_near else os.fspath(path)


def manage_line(arguments: str) -> str:
    """Return a command line that runs this management command in another terminal, on the same data."""
    python = sys.executable
    script = service.manage_py()
    if Path.cwd() == Path(place.BASE_DIR) and not os.environ.get("DATA_DIR"):
        script = "manage.py"
        if Path(python).is_relative_to(Path.cwd()):
            python = os.path.relpath(python)
    # Absolute: the other terminal may be in another directory.
    used = {"DATA_DIR": os.fspath(place.DATA_DIR), "PORT": str(place.PORT)}
    words = [f"{name}={shlex.quote(value)}" for name, value in used.items() if os.environ.get(name)]
    return " ".join([*words, shlex.quote(python), shlex.quote(script), arguments])
