from pathlib import Path

import pytest

from benchmarks.bench import Bench
from benchmarks.contestants import (
    CEILING,
    DURABLE_DIRECT,
    ON_POSTGRES,
    TUNED_DIRECT,
    Contestant,
    all_contestants,
)
from benchmarks.contestants.celery_servers import CeleryServer
from benchmarks.contestants.django_servers import DjangoServer
from benchmarks.contestants.postgres import PostgresServer
from benchmarks.figures import connections, latency, slow_disk


@pytest.fixture
def contestants(tmp_path: Path) -> dict[str, Contestant]:
    """All of them, none of them started."""
    return all_contestants(Bench(python="service", peers_python="peers", parent=tmp_path, cache=tmp_path))


def test_the_direct_ways_are_all_durable_contestants_by_django_on_sqlite(
    contestants: dict[str, Contestant],
) -> None:
    durable = {name: one.server for name, one in contestants.items() if one.is_durable}
    django = {name: server for name, server in durable.items() if isinstance(server, DjangoServer)}
    on_postgres = {name for name, server in django.items() if isinstance(server, PostgresServer)}
    by_celery = {name for name, server in django.items() if isinstance(server, CeleryServer)}

    assert set(ON_POSTGRES) == on_postgres
    assert set(DURABLE_DIRECT) == set(django) - on_postgres - by_celery


def test_all_direct_ways_but_the_default_one_have_the_tuned_settings(
    contestants: dict[str, Contestant],
) -> None:
    databases = {name: contestants[name].server.settings()["PEER_DATABASE"] for name in DURABLE_DIRECT}

    assert databases.pop("direct-default") == "default"
    assert set(databases.values()) == {"full"}


def test_figures_name_contestants_that_there_are(contestants: dict[str, Contestant]) -> None:
    named = {
        *(CEILING, TUNED_DIRECT),
        *connections.CONTESTANTS,
        *latency.LONE,
        *slow_disk.CONTESTANTS,
    }

    assert named <= set(contestants)


@pytest.mark.parametrize(
    "name", ["direct-full-gevent", "postgres-gevent", "direct-full-granian", "django-bolt"]
)
def test_what_the_service_does_not_need_is_in_the_peers_environment(
    contestants: dict[str, Contestant], name: str
) -> None:
    server = contestants[name].server

    assert isinstance(server, DjangoServer)
    assert server.python == "peers"


def test_the_ceiling_is_the_service_s_own_server(contestants: dict[str, Contestant]) -> None:
    server = contestants[CEILING].server

    assert isinstance(server, DjangoServer)
    assert (server.python, server.config) == ("service", "workers/web/gunicorn_conf.py")
