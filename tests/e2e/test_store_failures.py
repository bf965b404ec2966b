"""Faults of the store, forced for real: nothing is acknowledged, and all is committed after them."""

import errno
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, Service
from tests.waiting import until

NO_WAIT = {"Prefer": "respond-async"}


def store_fault(service: Service) -> str:
    ready = service.get("/health/ready")
    reasons = ready.json().get("fields", {}).get("store", [""])
    return str(reasons[0]) if ready.status == 503 else ""


def assert_heals(service: Service, heal: Callable[[], object]) -> None:
    """Accept writes during the fault, end it, and find them committed in order without a restart."""
    during = [service.create(f"during {number}", headers=NO_WAIT) for number in range(5)]
    waited = service.create("waited for", headers={"Prefer": "wait=1"})
    assert {answer.status for answer in [*during, waited]} == {202}
    until(lambda: store_fault(service), what="the fault to be named by ready")
    assert service.names() == ["before"]
    writer = service.processes["writer"].pid

    heal()

    expected = ["before", *(f"during {number}" for number in range(5)), "waited for"]
    until(lambda: service.names() == expected, seconds=20, what="the commits in order")
    until(lambda: service.get("/health/ready").status == 200, what="ready again")
    assert service.processes["writer"].poll() is None
    assert service.processes["writer"].pid == writer
    assert "state=not-committed" in service.log("writer")


def test_a_foreign_process_that_holds_the_lock_is_outlasted(make_service: Callable[..., Service]) -> None:
    service = make_service()
    service.start_all()
    service.create("before")
    path = service.directory / "store.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        assert_heals(service, lambda: foreign.execute("ROLLBACK"))


@pytest.fixture(scope="session")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to build the failing disk with")
    library = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    source = BASE_DIR / "tests" / "e2e" / "failing_disk.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=["full", "io-error", "read-only"]
)
def test_a_disk_that_fails_is_outlasted(
    make_service: Callable[..., Service], failing_disk: Path, tmp_path: Path, code: int
) -> None:
    switch = tmp_path / "fault"
    service = make_service(FAILING_DISK=str(switch))
    service.start("redis")
    service.settings = {**service.settings, "LD_PRELOAD": str(failing_disk)}
    service.start("writer")
    service.settings = {name: value for name, value in service.settings.items() if name != "LD_PRELOAD"}
    service.start("web")
    until(service.is_ready, seconds=30)
    service.create("before")

    switch.write_text(str(code))

    assert_heals(service, switch.unlink)
    assert service.rows("PRAGMA integrity_check") == [("ok",)]
