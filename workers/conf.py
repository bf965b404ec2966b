"""The settings of the write path: each with its default, unit, range and meaning, in this one place.

Values are read from Django's settings when they are used, so `override_settings` works in tests. What
settings.py does not say comes from the environment variable of the same name, else it is the default.
"""

import re
from collections.abc import Iterator
from typing import Generic, TypeVar, overload

from django.conf import settings as django_settings

from workers import environment

T = TypeVar("T", int, float, bool, str)


class Setting(Generic[T]):
    """One setting: reads `django.conf.settings.<its name>`, else the environment, else its default."""

    def __init__(
        self,
        default: T,
        help: str,
        *,
        at_least: float = 0,
        at_most: float = 0,
        choices: tuple[str, ...] = (),
        pattern: str = "",
        in_environment: bool = True,
    ) -> None:
        self.default: T = default
        self.help = help
        self.at_least = at_least
        self.at_most = at_most
        self.choices = choices
        self.pattern = pattern
        """What a text has to match as a whole."""
        self.in_environment = in_environment
        """Whether a variable of its name gives it where settings.py does not."""
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> "T | Setting[T]":
        if instance is None:
            return self  # its name, range and meaning, asked of the class
        try:
            value: T = getattr(django_settings, self.name)
        except AttributeError:  # not settled yet
            return self.from_environment()
        return value

    def problem(self, value: object) -> str | None:
        """Return what a value in settings.py has to be, which this one is not; else None."""
        kind = type(self.default)
        if type(value) is not kind and not (kind is float and type(value) is int):
            return f"It has to be of the type {kind.__name__}."
        if isinstance(value, int | float) and kind is not bool and not self.at_least <= value <= self.at_most:
            return f"Use {self.at_least:g} to {self.at_most:g}."
        if self.choices and value not in self.choices:
            return f"Use one of {', '.join(self.choices)}."
        if self.pattern and not re.fullmatch(self.pattern, str(value)):
            return f"It has to match {self.pattern}."
        return None

    def from_environment(self) -> T:
        """Return what the variable of this name says, else the default. Raises InvalidEnvironment."""
        if not self.in_environment:
            return self.default
        return environment.read(
            self.name,
            self.default,
            at_least=self.at_least,
            at_most=self.at_most,
            choices=self.choices,
            pattern=self.pattern,
        )


class WriteSettings:
    """The names are those of the Django settings and of the environment variables."""

    WRITE_WAIT_SECONDS = Setting(
        10.0,
        "Longest wait for an outcome before a request gets 202, in seconds.",
        at_least=0,
        at_most=300,
    )
    WRITE_SUBMIT_TIMEOUT_SECONDS = Setting(
        0.8,
        "Longest wait for Redis to accept writes before they get 503, in seconds.",
        at_least=0.05,
        at_most=30,
    )
    WRITE_ACCEPT_REPLICAS = Setting(
        0,
        "Replicas of Redis that have to have a write before it is accepted (202).",
        at_least=0,
        at_most=10,
    )
    WRITE_STREAM_MAX_LENGTH = Setting(
        100_000,
        "Most accepted writes that may wait in the stream; past it 503.",
        at_least=1,
        at_most=10_000_000,
    )
    WRITE_STREAM_MAX_BYTES = Setting(
        67_108_864,
        "Most bytes of accepted writes that may wait in the stream; past it 503.",
        at_least=65_536,
        at_most=17_179_869_184,
    )
    WRITE_MAX_ESTIMATED_WAIT_SECONDS = Setting(
        60.0,
        "Longest time a new write would wait at the writer's present rate, in seconds; past it 503.",
        at_least=1,
        at_most=86_400,
    )
    WRITE_MAX_WAITING = Setting(
        5_000,
        "Most requests of one web process that may wait for an outcome; past it 503.",
        at_least=1,
        at_most=100_000,
    )
    WRITE_SHARE_BYTES = Setting(
        16_384,
        "Most bytes of large writes (bodies of 4 KB or more) of one client that a web process has in the "
        "stream, and of those of more than half of it one in all processes; 0 for no limit.",
        at_least=0,
        at_most=67_108_864,
    )
    WRITE_MAX_BODY_BYTES = Setting(
        1_048_576,
        "Largest request body on any path, in bytes; past it 413.",
        at_least=1_024,
        at_most=67_108_864,
    )
    WRITE_READ_TIME_LIMIT_SECONDS = Setting(
        2.0,
        "Longest time that the reads of one request may take before they get 503, in seconds; 0 for none.",
        at_least=0,
        at_most=300,
    )
    WRITE_BATCH_MAX_WRITES = Setting(
        500, "Most writes that one transaction commits.", at_least=1, at_most=10_000
    )
    WRITE_TASK_SECONDS = Setting(
        1.0,
        "Longest run of one drain task before the worker looks after itself, in seconds.",
        at_least=0.05,
        at_most=60,
    )
    WRITE_TIME_LIMIT_SECONDS = Setting(
        5.0,
        "Longest run of a write function before its write is failed, and of its hooks, in seconds; 0: none.",
        at_least=0,
        at_most=300,
    )
    # Three at least: the first two deliveries may be those of whole batches, and tell nothing of one write.
    WRITE_MAX_DELIVERIES = Setting(
        3,
        "Deliveries to writers that died after which a write is set aside as failed: it is poison.",
        at_least=3,
        at_most=100,
    )
    WRITE_OUTSIDE_WRITER = Setting(
        "lock",
        "What a web process does to write: `lock` takes the store lock, `refuse` raises WriteOutsideWriter.",
        choices=("lock", "refuse"),
    )
    WRITE_LOCK_WAIT_SECONDS = Setting(
        20.0,
        "Longest wait of a view, a command or a task for the store lock, in seconds; past it StoreBusy, 503.",
        at_least=0.1,
        at_most=3_600,
    )
    # Below the wait, so that one slow view never fails those behind it.
    WRITE_LOCK_HOLD_SECONDS = Setting(
        15.0,
        "Longest transaction of a request, in seconds; past it it is undone. 0 for no limit.",
        at_least=0,
        at_most=3_600,
    )
    WRITE_PAUSE_TIMEOUT_SECONDS = Setting(
        15.0,
        "Longest wait of `manage.py pause` for the writer to give the lease back, in seconds.",
        at_least=1,
        at_most=600,
    )
    WRITE_SYNCHRONOUS = Setting(
        "FULL",
        "SQLite's synchronous level in the writer: FULL is durable, NORMAL can lose commits on power loss.",
        choices=("FULL", "NORMAL"),
    )
    WRITE_CHECKPOINT_BYTES = Setting(
        4_194_304,
        "Size of the WAL from which the writer checkpoints between batches, in bytes.",
        at_least=65_536,
        at_most=1_073_741_824,
    )
    WRITE_READY_OLDEST_SECONDS = Setting(
        30.0,
        "Age of the oldest waiting write past which /health/ready responds with 503, in seconds.",
        at_least=1,
        at_most=86_400,
    )
    WRITE_TRACE_CONTEXT = Setting(
        False, "Whether `traceparent` travels with writes, and the writer makes spans (OpenTelemetry)."
    )
    WRITE_REQUIRE_IF_MATCH = Setting(False, "Whether PUT, PATCH and DELETE without If-Match get 428.")
    WRITE_RECEIPT_DAYS = Setting(
        30,
        "Age past which receipts are pruned, in days; an Idempotency-Key is remembered as long.",
        at_least=1,
        at_most=3_650,
    )
    WRITE_MAX_RECEIPTS = Setting(
        10_000_000,
        "Most receipts that are kept; the oldest ones are pruned first.",
        at_least=1_000,
        at_most=1_000_000_000,
    )
    WRITE_BACKUP_HOURS = Setting(
        0.0,
        "Time from one backup to the next that the writer has made, in hours; 0: only `manage.py backup`.",
        at_least=0,
        at_most=8_760,
    )
    WRITE_BACKUP_KEEP = Setting(
        7, "How many backups are kept; older ones are removed.", at_least=1, at_most=10_000
    )
    WRITE_BACKUP_COMPRESS = Setting(False, "Whether backups are compressed (gzip).")
    WRITE_BACKUP_DIRECTORY = Setting(
        "", "Directory of the backups, best on another disk; empty for `backups` beside the store."
    )
    WRITE_CELERY_APP = Setting(
        "",
        "Module that prepares the Celery app; empty for `celery` in the package of the settings or the URLs.",
        pattern=r"([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?",
    )
    # kombu takes it for a pattern (PSUBSCRIBE) and for a format, in which *, ?, [, {} and % mean something.
    WRITE_KEY_PREFIX = Setting(
        "writes",
        "First part of the write path's Redis keys: 1 to 64 of A-Z a-z 0-9 . _ : -",
        pattern=r"[A-Za-z0-9._:-]{1,64}",
    )


settings = WriteSettings()


class SettingsOfTests:
    """For the tests of a project, in its Django settings alone: no environment variable gives them."""

    WRITE_SUBMITTER = Setting(
        "",
        "Import path of what takes writes instead of the stream, in tests: workers.testing.AtOnce.",
        in_environment=False,
    )


settings_of_tests = SettingsOfTests()


FORMER_NAMES = {"WRITE_MAX_DEATHS": "WRITE_MAX_DELIVERIES"}
"""Of settings. One that is still set must not be ignored silently."""

GONE_NAMES = {
    "WRITE_PACE_SECONDS": "the writer commits as soon as it is free",
    "WRITE_LINGER_SECONDS": "the idle writer waits at the stream in any case",
}
"""Settings that there were, and why they are not needed any more."""


def all_settings() -> Iterator[Setting]:
    """Yield every setting in the order in which the documentation lists them."""
    for value in vars(WriteSettings).values():
        if isinstance(value, Setting):
            yield value


def settle() -> None:
    """Make Django settings of what settings.py leaves to the environment, or to the defaults.

    Once, at start: a bad value is said there and not by the first request, and each request reads many.
    Raises InvalidEnvironment.
    """
    for setting in all_settings():
        if not hasattr(django_settings, setting.name):
            setattr(django_settings, setting.name, setting.from_environment())
