"""The service on a PostgreSQL of its own, set by DATABASE_URL alone: in use, and while its parts die."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests import clusters, forks
from tests.clusters import Cluster
from tests.e2e.service import BASE_DIR, PYTHON, Service, prepare_data
from tests.waiting import until

pytestmark = pytest.mark.skipif(clusters.unavailable() is not None, reason=str(clusters.unavailable()))

PREPARED = "prepared"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Path]]:
    """A cluster with a migrated database, and the data directory that goes with it."""
    directory = tmp_path_factory.mktemp("prepared-postgresql")
    with clusters.running() as cluster:
        clusters.rows(cluster.url, f"CREATE DATABASE {PREPARED}")
        prepare_data(directory, DATABASE_URL=cluster.url_of(PREPARED))
        yield cluster, directory


@pytest.fixture
def make_service(template: tuple[Cluster, Path], tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make a service on a copy of that database; nothing is started yet."""
    cluster, directory = template
    made: list[Service] = []

    def make(cluster: Cluster = cluster) -> Service:
        name = f"service_{os.getpid()}_{tmp_path.name}_{len(made)}".replace("-", "_").lower()[:60]
        clusters.rows(cluster.url, f"CREATE DATABASE {name} TEMPLATE {PREPARED}")
        settings = {"WEB_PROCESSES": "1", "DATABASE_URL": cluster.url_of(name)}
        made.append(Service.on_copy_of(directory, tmp_path / f"service{len(made)}", settings))
        return made[-1]

    yield make
    for service in made:
        service.stop_all()


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    running = make_service()
    running.start_all()
    return running


class Load:
    """Creates items until it is stopped, each with a name of its own; goes on after errors."""

    def __init__(self, service: Service, clients: int = 4) -> None:
        self._service = service
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self.accepted: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._futures = [self._pool.submit(self._run, client) for client in range(clients)]

    def _run(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"{client}-{number}"
            answer = self._service.create(name, headers={"Idempotency-Key": f'"{name}"'}, timeout=30)
            self.statuses[answer.status] += 1
            if answer.status in {201, 202}:
                self.accepted.append(name)

    def goes_on(self, by: int = 20) -> None:
        """Wait until more writes are committed than are so far."""
        before = self.statuses[201]
        until(lambda: self.statuses[201] >= before + by, seconds=30, what="more writes to be committed")

    def stop(self) -> None:
        self._stop.set()
        for future in self._futures:
            future.result()
        self._pool.shutdown()


def start_standby(service: Service) -> None:
    service.start("standby")
    until(lambda: "state=standby" in service.log("standby"), seconds=30, what="the standby")


def each_is_there_once(service: Service, load: Load) -> None:
    """Compare the store with what clients were told, once nothing waits any more."""
    service.until_acknowledged()
    found = Counter(name for (name,) in service.rows("SELECT name FROM items_item"))
    assert {name: count for name, count in found.items() if count > 1} == {}
    assert set(load.accepted) - set(found) == set()


def test_the_same_api_by_one_setting(service: Service) -> None:
    created = service.create("a")
    path = created.headers["Location"]
    stale = service.request("PATCH", path, {"name": "b"}, headers={"If-Match": '"0-0"'})
    changed = service.request("PATCH", path, {"name": "b"}, headers={"If-Match": created.headers["ETag"]})
    bulk = service.post("/api/items/bulk/", {"items": [{"name": "c"}, {"name": "d"}], "atomic": True})
    too_long = service.create("x" * 201)
    listed = service.get("/api/items/?ordering=-name&page_size=2")
    found = service.get("/api/items/?search=B")
    gone = service.request("DELETE", path)

    assert (created.status, stale.status, changed.status, bulk.status) == (201, 412, 200, 201)
    assert (too_long.status, gone.status) == (400, 204)
    assert [item["name"] for item in listed.json()["results"]] == ["d", "c"]
    assert [item["name"] for item in found.json()["results"]] == ["b"]
    assert [name for (name,) in service.rows("SELECT name FROM items_item ORDER BY id")] == ["c", "d"]


def test_a_ring_of_the_doorbell_leaves_the_writer_its_connection_and_with_it_the_lease(
    service: Service,
) -> None:
    """Celery closes all database connections after a task, unless it is told otherwise."""
    service.manage("shell", "-c", "from workers.stream import doorbell; doorbell.ring()")
    with service.redis() as client:
        until(lambda: not client.exists("writes:celery:writer"), what="the ring to be heard")

    names = [service.create(str(number)).json()["name"] for number in range(10)]

    assert names == service.names()
    assert "state=reconnected" not in service.log("writer")


def test_commands_write_beside_the_service(service: Service) -> None:
    load = Load(service)
    try:
        load.goes_on()
        for command in (
            ["migrate", "--check"],
            ["createsuperuser", "--noinput", "--username", "ada", "--email", "a@b.org"],
        ):
            forks.run([PYTHON, "manage.py", *command], env=service.environment, cwd=BASE_DIR, check=True)
        load.goes_on()
    finally:
        load.stop()

    assert set(load.statuses) <= {201, 202}
    assert service.rows("SELECT username FROM auth_user WHERE username = 'ada'") == [("ada",)]
    each_is_there_once(service, load)


def test_a_standby_takes_over_when_the_writer_is_killed(service: Service) -> None:
    start_standby(service)
    load = Load(service)
    try:
        load.goes_on()
        service.kill("writer")
        until(lambda: "state=holds-lease" in service.log("standby"), what="the standby to take over")
        load.goes_on()
    finally:
        load.stop()

    assert set(load.statuses) <= {201, 202}
    each_is_there_once(service, load)


def test_a_writer_that_was_cut_off_commits_nothing_after_its_successor_began(service: Service) -> None:
    start_standby(service)
    load = Load(service)
    try:
        load.goes_on()
        service.signal("writer", SIGSTOP)
        # As the server does with a host that does not respond any more.
        service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND granted AND objid = 1"
        )
        until(lambda: "state=holds-lease" in service.log("standby"), seconds=20, what="the successor")
        load.goes_on()
        service.signal("writer", SIGCONT)
        until(
            lambda: "state=gave-lease-back reason=lease-lost" in service.log("writer"),
            seconds=30,
            what="it to notice",
        )
        load.goes_on()
    finally:
        load.stop()

    each_is_there_once(service, load)
    assert service.log("standby").count("state=holds-lease") == 1


def test_a_server_that_crashes_and_comes_back_costs_no_accepted_write(
    make_service: Callable[..., Service], template: tuple[Cluster, Path]
) -> None:
    cluster, _ = template
    service = make_service()
    service.start_all()
    load = Load(service)
    try:
        load.goes_on()
        cluster.stop()
        until(
            lambda: service.get("/health/ready", timeout=30).status == 503,
            seconds=20,
            what="ready to turn red",
        )
        cluster.start()
        until(service.is_ready, seconds=30, what="the service to be ready again")
        load.goes_on()
    finally:
        load.stop()

    assert service.processes["web"].poll() is None and service.processes["writer"].poll() is None
    each_is_there_once(service, load)


def test_doctor_and_writer_status_know_the_store(service: Service) -> None:
    service.create("a")

    def said(command: str) -> str:
        done = service.manage(command, check=False)
        return done.stdout + done.stderr

    # The cluster of the tests does without fsync.
    assert "Needs attention: store.durability.\n" in said("doctor")
    assert "Lease held by" in said("writer_status")


def test_what_is_wrong_with_the_url_is_said_in_one_line(tmp_path: Path) -> None:
    for url, said in {
        "mysql://u:secret@h/n": "begins with 'mysql'",
        "postgresql://u:se/cret@h:port/n": "no URL of a database",
        "postgresql://u:secret@h/": "names no database",
        "nothing": "begins with",
    }.items():
        environment = os.environ | {
            "DATABASE_URL": url,
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "project.settings",
        }
        done = forks.run([PYTHON, "manage.py", "check"], env=environment, cwd=BASE_DIR)
        assert done.returncode != 0
        assert said in done.stderr and "DATABASE_URL" in done.stderr
        assert "secret" not in done.stderr and "cret@" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_the_store_moves_while_the_service_accepts(template: tuple[Cluster, Path], tmp_path: Path) -> None:
    cluster, _ = template
    clusters.rows(cluster.url, "CREATE DATABASE moved")
    url = cluster.url_of("moved")
    (tmp_path / "prepared").mkdir()
    prepare_data(tmp_path / "prepared")
    with Service.running(tmp_path / "prepared", tmp_path / "service", {"WEB_PROCESSES": "1"}) as service:
        load = Load(service)
        try:
            load.goes_on()
            done = service.manage("move_store", "--to", url, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            until(lambda: load.statuses[503] > 0, seconds=30, what="the former web process to refuse")
            until(
                lambda: 'reason="This store was moved' in service.log("writer"),
                seconds=30,
                what="the former writer to refuse",
            )
            refused = service.create("refused").json()
        finally:
            load.stop()
        former = set(service.names())
        service.stop("web")
        service.stop("writer")
        service.settings = {**service.settings, "DATABASE_URL": url}
        service.start("writer")
        service.start("web")
        until(service.is_ready, seconds=30, what="the service to be ready again")
        after = service.create("after")
        repeated = service.create(
            load.accepted[0], headers={"Idempotency-Key": f'"{load.accepted[0]}"'}, timeout=30
        )

        assert refused["code"] == "stream_of_another_store"
        assert (after.status, repeated.status) == (201, 201)
        each_is_there_once(service, load)
        assert former <= set(service.names())
