"""The master of Redis dies: writes go on at the next one, no process is restarted, nothing false is told."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals

import pytest

from tests import redis_servers
from tests.e2e.service import Service
from tests.e2e.test_commands import NO_WAIT, Load
from tests.redis_servers import Fleet
from tests.waiting import until

DEATH_SECONDS, FREEZE_SECONDS = 8.0, 16.0
"""From the end of a master to the next 201, with Sentinels that call it down after 0.5 s. One that is only
silent has to be given up by each client too: the writer waits 5 s for a reply."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with redis_servers.running(tmp_path / "redis") as fleet:
        yield fleet


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def status_of(service: Service, write_id: str) -> str:
    """Return the status of a write, or the code of the error that is told instead."""
    told = service.get(f"/api/writes/{write_id}/").json()
    status: str = told.get("code") or told["status"]
    return status


def seconds_until_writes_go_on(fleet: Fleet, load: Load, end: Signals) -> float:
    former = fleet.master()
    fleet.signal(former, end)
    ended_at = time.monotonic()
    until(lambda: fleet.master() != former, seconds=20, what="another master")
    seen = len(load.answers)
    until(lambda: any(answer.status == 201 for answer in load.answers[seen:]), seconds=20, what="a 201")
    return time.monotonic() - ended_at


def test_writes_go_on_at_the_next_master_and_each_201_is_in_the_store_once(
    fleet: Fleet, make_service: Callable[..., Service]
) -> None:
    service = make_service(REDIS_URL=fleet.url, WRITE_ACCEPT_REPLICAS="1", WRITE_WAIT_SECONDS="3")
    for part in ("writer", "web"):
        service.start(part)
    until(service.is_ready, seconds=30, what="the service to be ready")
    processes = dict(service.processes)
    web_processes = children(processes["web"].pid)
    load = Load(service)
    until(lambda: len(load.answers) > 50, what="some load")

    after_death = seconds_until_writes_go_on(fleet, load, SIGKILL)
    after_freeze = seconds_until_writes_go_on(fleet, load, SIGSTOP)
    load.stop()

    created = [answer.json()["name"] for answer in load.answers if answer.status == 201]
    stored = Counter(service.names())
    assert {name: stored[name] for name in created} == dict.fromkeys(created, 1)
    assert max(stored.values()) == 1
    assert {answer.status for answer in load.answers} <= {201, 202, 503}
    accepted = [answer.headers["Write-Id"] for answer in load.answers if answer.status == 202]
    until(lambda: {status_of(service, write_id) for write_id in accepted} <= {"committed"}, what="each 202")
    assert all(process.poll() is None for process in processes.values())
    assert children(processes["web"].pid) == web_processes
    assert after_death < DEATH_SECONDS
    assert after_freeze < FREEZE_SECONDS


def test_what_a_fail_over_has_lost_is_not_called_queued_and_its_retry_takes_effect_once(
    fleet: Fleet, make_service: Callable[..., Service]
) -> None:
    service = make_service(REDIS_URL=fleet.url)
    service.start("web")
    until(lambda: service.answers("/health/live"), seconds=30, what="the web server")
    former, *replicas = fleet.servers
    for port in replicas:
        fleet.signal(port, SIGSTOP)
    with fleet.client(former) as client:
        client.client_kill_filter(_type="replica")
    headers = {"Idempotency-Key": "lost"} | NO_WAIT
    lost = service.create("lost", headers=headers)
    fleet.signal(former, SIGKILL)
    for port in replicas:
        fleet.signal(port, SIGCONT)
    until(lambda: fleet.master() != former, seconds=20, what="another master")
    until(lambda: status_of(service, lost.headers["Write-Id"]) != "queue_unavailable", what="the new master")
    status = status_of(service, lost.headers["Write-Id"])
    service.start("writer")
    until(service.is_ready, seconds=30, what="the service to be ready")

    retried = [service.create("lost", headers={"Idempotency-Key": "lost"}) for _ in range(2)]

    assert lost.status == 202
    assert status == "not_found"
    assert [answer.status for answer in retried] == [201, 201]
    assert int(retried[0].headers["Write-Id"]) > int(lost.headers["Write-Id"])
    assert service.names() == ["lost"]
