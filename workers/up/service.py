"""The processes of the service that `manage.py up` runs, and the address it is reached at."""

import errno
import os
import re
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import redis
from django.conf import settings

from workers import QueueUnavailable, queue_status, redis_address, web
from workers.conf import settings as write_settings
from workers.extras import need
from workers.service_settings import place
from workers.stream import celery_app, doorbell
from workers.stream.redis_client import connect
from workers.up import embedded_redis
from workers.up.process import Process
from workers.up.web_probe import PROBE_TIMEOUT_SECONDS, reachable_host, web_responds
from workers.web.grace import graceful_seconds

_REDIS_SECONDS = 3.0
"""How long `up` waits for the Redis of REDIS_URL, which may be starting at the same time."""

WATCHDOG_SECONDS = 5
"""How long a worker may make no progress at least; idle or standing by it does four times a second."""

OWN_TASKS_AT_ONCE = 2
"""Processes for the project's own Celery tasks. If you need more, run a worker of your own."""

_NAME_IT = (
    "Name what the web server is to serve in the settings, as startproject does: "
    'WSGI_APPLICATION = "mysite.wsgi.application".'
)

_REDIS_CHATTER = re.compile(
    "oO0OoO0OoO0Oo|Redis version=|Configuration loaded|Server initialized|overcommit must be enabled"
    "|Received SIGTERM|User requested shutdown|Removing the unix socket|now ready to exit"
)
_WRITER_CHATTER = re.compile(r"worker: Warm shutdown \(")


class RedisUnavailable(Exception):
    """The Redis that REDIS_URL names cannot be used; the message says what helps."""


class WebServerMissing(Exception):
    """The packages of the web server are not installed; the message says what to install."""


class AddressUnavailable(Exception):
    """The web server cannot listen at HOST and PORT; the message says why."""


class ApplicationMissing(Exception):
    """WSGI_APPLICATION does not name the project's application; the message says what helps."""


def processes(redis_binary: Path | None) -> list[Process]:
    """Return the processes in the order in which they start; without a binary none for Redis."""
    redis_processes = [] if redis_binary is None else [_redis(redis_binary)]
    own_tasks = [_own_tasks()] if has_own_tasks() else []
    return [*redis_processes, writer("writer"), writer("standby"), *own_tasks, _web()]


def environment() -> dict[str, str]:
    """Return the environment in which the processes find the same data as this process.

    Where the service listens and its Redis they find as this one does. Nothing is added that a project might
    read for other ends, such as REDIS_URL.
    """
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        "DATA_DIR": os.fspath(place.DATA_DIR),
        # Their output goes to a pipe, for which Python would otherwise buffer 8 KB.
        "PYTHONUNBUFFERED": "1",
    }


def url() -> str:
    """Return the address at which this machine reaches the service."""
    host = reachable_host()
    return f"http://[{host}]:{place.PORT}" if ":" in host else f"http://{host}:{place.PORT}"


def manage_py() -> str:
    """Return the project's `manage.py`, which `startproject` puts into BASE_DIR."""
    return os.fspath(Path(place.BASE_DIR) / "manage.py")


def has_own_redis() -> bool:
    """Return whether REDIS_URL is that of the Redis which `up` starts itself."""
    own = redis_address.RedisAddress.of_socket(embedded_redis.socket_path(place.DATA_DIR))
    return own.url == place.REDIS_URL


def check_address() -> None:
    """Raise `AddressUnavailable` when HOST and PORT cannot be listened at."""
    host = place.HOST
    try:
        with socket.create_server((host, place.PORT), family=_family(host)):
            pass
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            message = f"Port {place.PORT} on {host} is taken by another program: set PORT to a free one."
        else:
            message = f"Cannot listen on HOST={host} PORT={place.PORT}: {exc.strerror or exc}."
        raise AddressUnavailable(message) from exc


def check_application() -> None:
    """Raise `ApplicationMissing` unless WSGI_APPLICATION names something in a module that is there."""
    module, _ = _application()
    try:
        found = find_spec(module)  # not imported: that would make this process a web process
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ApplicationMissing(
            f"WSGI_APPLICATION={settings.WSGI_APPLICATION!r}: there is no module {module!r}. {_NAME_IT}"
        )


def _application() -> tuple[str, str]:
    """Return the module of the project's application, and its name there. Raises ApplicationMissing."""
    name = settings.WSGI_APPLICATION
    if not name:
        raise ApplicationMissing(f"WSGI_APPLICATION is not set. {_NAME_IT}")
    module, _, application = name.rpartition(".")
    if not module:
        raise ApplicationMissing(f"WSGI_APPLICATION={name!r} names no module. {_NAME_IT}")
    return module, application


def check_web_server() -> None:
    """Raise `WebServerMissing` unless its packages are installed."""
    try:
        need("gunicorn", "uvicorn", "uvicorn_worker", extra="web", by="The web server of `up`")
    except ModuleNotFoundError as exc:
        raise WebServerMissing(str(exc)) from exc


def check_redis() -> None:
    """Raise `RedisUnavailable` unless Redis responds within a few seconds; one that still loads does."""
    deadline = time.monotonic() + _REDIS_SECONDS
    with connect(timeout_seconds=_REDIS_SECONDS / 2) as client:
        while True:
            try:
                client.ping()
                return
            except redis.exceptions.BusyLoadingError:
                return
            except redis.RedisError as exc:
                if time.monotonic() < deadline and not isinstance(exc, redis.AuthenticationError):
                    time.sleep(PROBE_TIMEOUT_SECONDS / 5)
                    continue
                where = redis_address.without_password(place.REDIS_URL)
                raise RedisUnavailable(
                    f"Redis does not respond at REDIS_URL={where}: {exc}. Start "
                    "it or correct REDIS_URL; when REDIS_URL is unset, `up` starts a Redis of its own."
                ) from exc


def _redis(binary: Path) -> Process:
    path = embedded_redis.socket_path(place.DATA_DIR)
    return Process(
        name="redis",
        command=[os.fspath(binary), *embedded_redis.prepare(place.DATA_DIR)],
        is_ready=lambda pid: embedded_redis.responds(path),
        # It first reads its whole AOF: about a second for each 200 MB.
        ready_seconds=60,
        grace_seconds=10,
        hidden_output=_REDIS_CHATTER,
    )


def writer(name: str, *options: str) -> Process:
    """Return one of two equal workers: the one that takes the lease first is the writer.

    The other one stands by. A new process needs two seconds for its imports alone, and after the writer was
    killed the service should commit again sooner.
    """
    return Process(
        name=name,
        command=[sys.executable, manage_py(), "writer", "--name", name, *options],
        is_ready=lambda pid: _a_writer_is_alive(),
        # A write function may take its time, during which nothing is heard of the writer.
        watchdog_seconds=max(WATCHDOG_SECONDS, (write_settings.WRITE_TIME_LIMIT_SECONDS or 60) + 2),
        # It waits for each reply of Redis, for longer than that in all.
        is_held_up=_redis_is_away,
        ready_seconds=15,
        grace_seconds=20,  # to finish its batch; the rest stays in the stream
        hidden_output=_WRITER_CHATTER,
    )


def has_own_tasks() -> bool:
    """Say whether an app of the project has Celery tasks. Raises NoCeleryApp."""
    app = celery_app.find()
    app.loader.import_default_modules()
    return any(not name.startswith(("celery.", "workers.")) for name in app.tasks)


def _own_tasks() -> Process:
    """Return the worker of the project's own tasks: all queues but the writer's."""
    # By its name, not imported: its import sets up Django for a worker.
    own_tasks = f"{__package__}.own_tasks"
    # fmt: off
    command = [
        sys.executable, "-m", "celery", "--quiet", "-A", own_tasks, "worker",
        "--exclude-queues", doorbell.QUEUE, "--pool", "prefork", "--concurrency", str(OWN_TASKS_AT_ONCE),
        "--hostname", "tasks@%h", "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
    ]
    # fmt: on
    return Process(
        name="tasks",
        command=command,
        is_ready=lambda pid: True,  # nothing waits for it
        grace_seconds=20,
        hidden_output=_WRITER_CHATTER,
    )


def _web() -> Process:
    # By its path: workers/web/gunicorn_conf.py says why.
    config = os.fspath(Path(web.__file__).parent / "gunicorn_conf.py")
    module, application = _application()
    return Process(
        name="web",
        command=[sys.executable, "-m", "gunicorn", f"{module}:{application}", "--config", config],
        is_ready=lambda pid: web_responds(),
        ready_seconds=30,
        # Longer than gunicorn's own limit, so that gunicorn ends its workers itself.
        grace_seconds=graceful_seconds() + 5,
    )


def _a_writer_is_alive() -> bool:
    """Say whether a writer is at work. A killed one has a heartbeat for seconds, so its pid counts too."""
    try:
        status = queue_status()
    except QueueUnavailable:
        return False
    return status.writer is not None and not status.is_of_another_store and _is_alive(status.writer.pid)


def _redis_is_away() -> bool:
    try:
        queue_status()
    except QueueUnavailable:
        return True
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
