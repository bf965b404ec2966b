"""GETs that read from a streaming replica of PostgreSQL: what they see, and what is never read from there."""

import json
import os
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import certificates, clusters
from tests.clusters import Cluster
from tests.e2e.browser import Browser
from tests.e2e.service import Answer, Service, prepare_data
from tests.waiting import until

MISSING = clusters.unavailable() or certificates.unavailable()

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

HOST = "db.example.org"
_NETWORK = f"127.{os.getpid() >> 8 & 127}.{os.getpid() & 255}"
ADDRESSES = f"{_NETWORK}.2", f"{_NETWORK}.3"
"""Of the primary and the replica, and of no other test's."""

WEB_ROLE = (
    "CREATE ROLE one_writer_web LOGIN PASSWORD 'secret'",
    "GRANT pg_read_all_data, pg_read_all_stats TO one_writer_web",
)

WAIT_SECONDS = 2

MOST_CONNECTIONS = 10
"""Of each server: for the web process, the writer, a command, and the test."""

WEB_CONNECTIONS = 4


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("authority")
    return certificates.make_authority(directory, "authority")


@pytest.fixture(scope="module")
def replicated(authority: Path) -> Iterator[tuple[Cluster, Cluster]]:
    tls = certificates.make_server(authority.parent, "authority", HOST)
    with clusters.replicated(max_connections=str(MOST_CONNECTIONS), tls=tls, addresses=ADDRESSES) as both:
        for statement in WEB_ROLE:
            clusters.rows(both[0].url, statement)
        yield both


def url_of_web(address: str, authority: Path, host: str = HOST) -> str:
    """Return the URL by which web processes go to the server at this address, as the documentation has it."""
    secure = f"sslmode=verify-full&sslrootcert={authority}"
    return f"postgresql://one_writer_web:secret@{host}:5432/postgres?hostaddr={address}&{secure}"


@pytest.fixture(scope="module")
def service(
    replicated: tuple[Cluster, Cluster], authority: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The writer and commands have a role that may write; web processes may read, by TLS."""
    primary, _ = replicated
    directory = tmp_path_factory.mktemp("prepared-primary")
    prepare_data(directory, DATABASE_URL=primary.url)
    settings = {
        "WEB_PROCESSES": "1",
        "DATABASE_URL": primary.url,
        "DATABASE_READ_URL": url_of_web(ADDRESSES[1], authority),
        "WRITE_WAIT_SECONDS": str(WAIT_SECONDS),
        "WRITE_READ_TIME_LIMIT_SECONDS": "1",
        "WEB_DATABASE_CONNECTIONS": str(WEB_CONNECTIONS),
    }
    service = Service.on_copy_of(directory, tmp_path_factory.mktemp("service"), settings)
    try:
        service.start("redis")
        service.start("writer")
        service.settings = settings | {"DATABASE_URL": url_of_web(ADDRESSES[0], authority)}
        service.start("web")
        service.settings = settings
        until(service.is_ready, seconds=60, what="the service to be ready")
        yield service
    finally:
        service.stop_all()


@pytest.fixture
def replica(replicated: tuple[Cluster, Cluster]) -> Cluster:
    return replicated[1]


@contextmanager
def paused(replica: Cluster) -> Iterator[None]:
    """Have the replica replay nothing in the block, as if it were far behind."""
    clusters.rows(replica.url, "SELECT pg_wal_replay_pause()")
    until(
        lambda: clusters.rows(replica.url, "SELECT pg_get_wal_replay_pause_state()") == [("paused",)],
        what="the replay to pause",
    )
    try:
        yield
    finally:
        clusters.rows(replica.url, "SELECT pg_wal_replay_resume()")


def after(write: Answer) -> dict[str, str]:
    return {"Read-After": write.headers["Write-Id"]}


def test_a_get_shows_what_the_replica_has_and_waits_for_the_write_that_it_names(
    service: Service, replica: Cluster
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with paused(replica):
            created = service.create("late")
            path = created.headers["Location"]
            at_once = service.get(path)
            expired = service.get(path, headers=after(created))
            waiting = pool.submit(service.get, "/api/items/?search=late", headers=after(created))
            assert not waiting.done()
        listed = waiting.result()
    found = service.get(path, headers=after(created))

    assert (created.status, at_once.status) == (201, 404)
    assert (expired.status, expired.json()["code"], expired.headers["Retry-After"]) == (
        503,
        "not_replicated_yet",
        "1",
    )
    assert (listed.status, found.status) == (200, 200)
    assert [item["name"] for item in listed.json()["results"]] == ["late"]


def test_tokens_and_the_status_of_a_write_are_those_of_the_store_and_the_delay_is_told(
    service: Service, replica: Cluster
) -> None:
    user = service.rows("SELECT username FROM auth_user")[0][0]
    own = {"Authorization": f"Bearer {service.manage('create_token', user).stdout.strip()}"}
    before = service.get("/health/ready").json()
    with paused(replica):
        assert service.get("/api/items/", headers=own).status == 200
        queued = service.create("status", headers={"Prefer": "respond-async"})
        until(
            lambda: service.get(queued.headers["Location"]).json()["status"] == "committed",
            what="the status to be told",
        )
        service.rows(
            "UPDATE knox_authtoken SET expiry = now() "
            "WHERE created = (SELECT max(created) FROM knox_authtoken)"
        )
        # A process takes a token for valid for a second after it has looked.
        until(lambda: service.get("/api/items/", headers=own).status == 401, what="it to be refused")
        during = service.get("/health/ready").json()
        doctor = service.manage("doctor", check=False).stdout

    assert before["replica"] == {"state": "ok", "behind_bytes": 0, "behind_seconds": 0.0}
    assert during["replica"]["state"] == "impaired" and during["replica"]["behind_bytes"] > 0
    assert "paused" in during["warnings"]["replica"]
    assert "bytes of log behind" in " ".join(doctor.replace("│", " ").split())


def test_a_replica_that_is_away_is_done_without_and_comes_back(service: Service, replica: Cluster) -> None:
    assert service.get("/api/items/").status == 200
    browser = Browser(service)
    browser.log_in("demo", (service.directory / "demo-password").read_text().strip())
    losses = service.log("web").count("replica state=away")
    replica.stop()
    created = service.create("without")
    found = [service.get(created.headers["Location"]) for _ in range(3)]
    named = service.get("/api/items/?search=without", headers=after(created))
    ready = service.get("/health/ready")
    live = json.loads(browser.get("/admin/workers/receipt/live/data/"))
    replica.start()
    until(lambda: not service.get("/health/ready").json()["warnings"], seconds=20, what="its return")

    assert [answer.status for answer in (*found, named)] == [200] * 4
    assert ready.status == 200 and "It is away" in ready.json()["warnings"]["replica"]
    assert live["warnings"] == ready.json()["warnings"]
    assert service.log("web").count("replica state=away") == losses + 1


def test_the_admin_of_a_host_that_may_only_read_shows_and_says_that_it_may_not_write(
    service: Service,
) -> None:
    browser = Browser(service)
    page = browser.log_in("demo", (service.directory / "demo-password").read_text().strip())
    with pytest.raises(urllib.error.HTTPError) as refused:
        browser.submit("/admin/auth/group/add/", name="nobody")

    assert "Live view" in page or "Receipts" in page
    assert "state=not-noted" in service.log("web")
    assert refused.value.code == 403
    assert "a host whose DATABASE_URL names a role that may write" in refused.value.read().decode()
    assert "nobody" not in browser.get("/admin/auth/group/")


def test_a_replica_that_says_nothing_holds_one_request_up_and_no_other(
    service: Service, replica: Cluster
) -> None:
    created = service.create("silent")
    service.get("/api/items/", headers=after(created))
    with ThreadPoolExecutor(1) as pool, replica.frozen():
        held_up = pool.submit(service.get, created.headers["Location"])
        others = [service.create(f"silent {number}").status for number in range(5)]
        assert held_up.result().status == 200
        until(lambda: "was silent for" in service.log("web"), what="the replica to be given up")
        ready = service.get("/health/ready")
    until(lambda: not service.get("/health/ready").json()["warnings"], seconds=20, what="its return")

    assert others == [201] * 5
    assert "It is away" in ready.json()["warnings"]["replica"]


def test_many_requests_at_once_share_the_connections_that_a_process_may_have(
    service: Service, replica: Cluster
) -> None:
    written = service.create("status", headers={"Prefer": "respond-async"})
    status = written.headers["Location"]
    until(lambda: service.get(status).json()["status"] == "committed", what="the commit")
    paths = ["/api/items/", status] * 80

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda path: service.get(path, timeout=60).status, paths))
        written_too = list(pool.map(lambda number: service.create(f"many {number}").status, range(40)))

    assert set(answers) == {200} and set(written_too) <= {201, 202}
    [(used,)] = clusters.rows(
        replica.url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()",
    )
    assert 0 < used <= WEB_CONNECTIONS
    assert "replica state=away" not in service.log("web").rpartition("state=back")[2]


def test_web_processes_go_by_tls_to_the_server_that_they_mean_and_may_not_write_there(
    service: Service, replicated: tuple[Cluster, Cluster], authority: Path
) -> None:
    assert service.get("/api/items/").status == 200
    for cluster, address in zip(replicated, ADDRESSES, strict=True):
        used = clusters.rows(
            cluster.url,
            "SELECT DISTINCT usename, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            "WHERE client_addr IS NOT NULL",
        )
        assert used == [("one_writer_web", True)]
        stranger = certificates.make_authority(authority.parent, "stranger")
        for url, why in (
            (url_of_web(address, stranger), "certificate verify failed"),
            (url_of_web(address, authority, "other.example.org"), "does not match host name"),
            (url_of_web(address, authority).replace("verify-full", "disable"), "no encryption"),
        ):
            with pytest.raises(psycopg.OperationalError, match=why):
                psycopg.connect(url)
    with (
        psycopg.connect(url_of_web(ADDRESSES[0], authority)) as raw,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        raw.execute("SET default_transaction_read_only = off")
        raw.execute("DELETE FROM items_item")
