"""Django that hands each write to a Celery task and waits for its result."""

from dataclasses import dataclass

from benchmarks.contestants.django_servers import DjangoServer
from benchmarks.contestants.one_writer import redis_command
from workers.up import embedded_redis

APPS = {"celery-task": "benchmarks.peers.celery_app", "celery-batches": "benchmarks.peers.celery_batches_app"}

# fmt: off
WORKER_OPTIONS = [
    "--pool", "solo", "--concurrency", "1",
    "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
]
# fmt: on


@dataclass(kw_only=True, eq=False)
class CeleryServer(DjangoServer):
    """Web processes as `direct-full` has them, one worker, and a Redis with the service's configuration."""

    worker_class: str = "gthread"

    def launch(self) -> None:
        self.processes.start("redis", redis_command(self.bench.python, self.directory))
        socket = embedded_redis.socket_path(self.directory)
        self.processes.wait_until(lambda: embedded_redis.responds(socket))
        command = [self.python, "-m", "celery", "--quiet", "-A", APPS[self.view], "worker"]
        self.processes.start("worker", [*command, *WORKER_OPTIONS])
        super().launch()

    @property
    def python(self) -> str:
        return self.bench.peers_python
