import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests import forks
from tests.answering import Answered, answering
from tests.jottings.management.commands import flush
from workers.store import identity
from workers.store.roles import Role, set_role
from workers.stream import ownership
from workers.submission import client
from workers.up import embedded_redis
from workers.writer.loop import Writer

BASE_DIR = Path(__file__).resolve().parent.parent

pytest_plugins = ["workers.testing.pytest"]

# How long a machine takes for its inputs is no error of the code. More inputs: make test-slow.
for profile, examples in {"tests": 40, "thorough": 500}.items():
    hypothesis.settings.register_profile(
        profile,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
        max_examples=examples,
    )
hypothesis.settings.load_profile("tests")


OF_SQLITE = (
    "benchmarks",
    "project/api/test_store_lock.py",
    "torture",
    "wheel",
    "workers/backups",
    "workers/doctor/test_as_checks.py",
    "workers/doctor/test_disk.py",
    "workers/doctor/test_doctor.py",
    "workers/doctor/test_privacy.py",
    "workers/doctor/test_sqlite_store.py",
    "workers/doctor/test_write_path.py",
    "workers/moving",  # which has services on both
    "workers/store/lock",
    "workers/store/test_opening.py",
    "workers/store/test_private_files.py",
    "workers/store/test_read_limit.py",
    "workers/store/test_soundness.py",
    "workers/store/test_store_file.py",
    "workers/test_middleware.py",
    "workers/writer/test_damaged_store.py",
    "workers/writer/test_place_in_the_queue.py",
    "workers/writer/test_store_replaced.py",
)
"""What is about SQLite's files as a whole; single tests have the marker `sqlite`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let there be a test database wherever there is a stream: the stream is that of its identity."""
    is_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    for item in items:
        place = item.path.relative_to(Path(__file__).parent).as_posix()
        if not is_sqlite and (item.get_closest_marker("sqlite") or place.startswith(OF_SQLITE)):
            item.add_marker(pytest.mark.skip(reason="of SQLite's files alone"))
        if item.get_closest_marker("postgresql") and is_sqlite:
            item.add_marker(pytest.mark.skip(reason="of PostgreSQL alone: python -m tests.on_postgresql"))
        if "clean_redis" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.django_db)


@pytest.fixture(scope="session", autouse=True)
def _role() -> None:
    # The tests write the store themselves to set the scene, as a command would.
    set_role(Role.COMMAND)


@pytest.fixture(scope="session", autouse=True)
def _quick_start() -> None:
    """Have what the tests start begin with tests/quick_start/sitecustomize.py, which this process has not."""
    os.environ["PYTHONPATH"] = str(BASE_DIR / "tests" / "quick_start")
    # Static files are looked for when they are asked for: each test's client would look for all of them.
    settings.WHITENOISE_AUTOREFRESH = True
    # Django's own takes half a second for each password, which the services of tests/e2e do.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Make the test database, and remember what it holds when it is new."""
    with django_db_blocker.unblock():
        flush.remember()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a migrated store, to be copied."""
    directory = tmp_path_factory.mktemp("migrated")
    environment = os.environ | {"DATA_DIR": str(directory)}
    forks.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, cwd=BASE_DIR, check=True)
    return directory


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A process has one store, but some tests have this process open one of their own.
    monkeypatch.setattr(identity, "_current", None)
    submitter = client.stream_submitter()
    vars(submitter).pop("_appender", None)
    submitter._sender._known_id = 0
    yield
    submitter._listener._waiters.clear()  # nobody waits any more for what the test left behind


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real redis-server of this test process, as `manage.py up` configures it. Gives its URL."""
    directory = Path(settings.DATA_DIR)
    command = [str(embedded_redis.find_binary()), *embedded_redis.prepare(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        path = embedded_redis.socket_path(directory)
        assert embedded_redis.wait_until_responds(path, within_seconds=10)
        yield settings.REDIS_URL
        process.kill()  # nothing in it is worth an orderly end, which a rewrite of its AOF would delay


@pytest.fixture
def clean_redis(
    redis_server: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[redis.Redis]:
    """The Redis of this test process, emptied; its stream is that of the test database."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        with django_db_blocker.unblock():
            ownership.claim(client)
        yield client


@pytest.fixture
def writer(clean_redis: redis.Redis, transactional_db: None) -> Iterator[Writer]:
    """A writer in this process: nothing is committed until the test calls `drain`."""
    made = Writer()
    yield made
    made._client.close()  # an error's traceback may hold it until a later test


@pytest.fixture
def answered(writer: Writer, clean_redis: redis.Redis) -> Answered:
    """Gives what makes a request in another thread while the writer is at work, and returns its answer."""
    return answering(writer, clean_redis)


@pytest.fixture
def admin(db: None) -> Client:
    """A browser in which a superuser is logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client
