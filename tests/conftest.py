import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from project import embedded_redis
from workers.roles import Role, set_role
from workers.writer import Writer


@pytest.fixture(scope="session", autouse=True)
def _role() -> None:
    # The tests write the store themselves to set the scene, as a command would.
    set_role(Role.COMMAND)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real redis-server of this test process, as `manage.py up` configures it. Gives its URL."""
    directory = Path(settings.DATA_DIR)
    command = [embedded_redis.find_binary(), embedded_redis.prepare(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        path = embedded_redis.socket_path(directory)
        assert embedded_redis.wait_until_answers(path, within_seconds=10)
        yield settings.REDIS_URL
        process.kill()  # nothing in it is worth an orderly end, which a rewrite of its AOF would delay


@pytest.fixture
def clean_redis(redis_server: str) -> Iterator[redis.Redis]:
    """The Redis of this test process, emptied."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield client


@pytest.fixture
def writer(clean_redis: redis.Redis, transactional_db: None) -> Writer:
    """A writer in this process: nothing is committed until the test calls `drain`."""
    return Writer()
