"""The ways that are compared: the lines that each adds to the end of a project's settings."""

from dataclasses import dataclass

DEFAULTS, TUNED, STORE_LOCK, WRITE_FUNCTIONS = "defaults", "tuned", "store-lock", "write-functions"

TUNED_LINES = """
DATABASES["default"]["OPTIONS"] = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}
"""


WRITER_LINES = """
from workers.up import RedisAddress, socket_path

_redis = RedisAddress.of_socket(socket_path(BASE_DIR))
REDIS_URL = _redis.url
CELERY_BROKER_URL = _redis.broker_url
CELERY_TASK_DEFAULT_QUEUE = "default"
"""

CELERY = """
from celery import Celery
from workers.celery import prepare

app = Celery("site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
prepare(app)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run an application."""

    name: str
    label: str
    lines: str
    """Python, appended to the settings."""
    has_writer: bool = False
    """Whether Redis and the writer run beside it."""
    only: tuple[str, ...] = ()
    """The sites that have it; empty for all."""

    def fits(self, site: str) -> bool:
        return not self.only or site in self.only


WAYS = {
    way.name: way
    for way in (
        Way(name=DEFAULTS, label="Django's defaults", lines=""),
        Way(name=TUNED, label="tuned: WAL, IMMEDIATE, FULL, 20 s", lines=TUNED_LINES),
        Way(
            name=STORE_LOCK,
            label='`INSTALLED_APPS += ["workers"]`: the store lock',
            lines='\nINSTALLED_APPS += ["workers"]\n',
        ),
        Way(
            name=WRITE_FUNCTIONS,
            label="the store lock, product pages and searches by write functions",
            lines='\nINSTALLED_APPS += ["workers", "benchmarks.adoption.shop_moved"]\n' + WRITER_LINES,
            has_writer=True,
            only=("shop",),
        ),
    )
}
