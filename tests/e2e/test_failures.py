"""What clients see while parts of the service are stopped, frozen or killed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from tests.e2e import service as parts
from tests.e2e.service import Answer, Service
from tests.waiting import until

MakeService = Callable[..., Service]


@pytest.fixture
def service(make_service: MakeService) -> Service:
    service = make_service()
    service.start_all()
    return service


def test_without_redis_writes_are_refused_soon_and_reads_go_on(service: Service) -> None:
    path = service.create("before").headers["Location"]
    service.stop("redis")

    started = time.monotonic()
    refused = service.create("refused")
    took = time.monotonic() - started

    assert (refused.status, refused.json()["code"]) == (503, "queue_unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert took < 2
    assert service.get(path).status == 200
    ready = service.get("/health/ready")
    assert (ready.status, list(ready.json()["fields"])) == (503, ["redis"])

    service.start("redis")

    until(lambda: service.create("after").status == 201, what="a write after Redis is back")
    assert "refused" not in service.names()
    until(service.is_ready)


def test_a_frozen_redis_makes_writes_end_unknown_within_two_seconds(service: Service) -> None:
    service.create("before")
    service.signal("redis", SIGSTOP)
    headers = {"Idempotency-Key": "frozen"}

    started = time.monotonic()
    answer = service.create("thawed", headers=headers)
    took = time.monotonic() - started
    service.signal("redis", SIGCONT)

    assert answer.status == 503
    assert answer.json()["code"] in {"acceptance_unknown", "queue_unavailable"}
    assert took < 2
    until(lambda: service.create("thawed", headers=headers).status == 201, what="the retry")
    assert service.names().count("thawed") == 1


def test_a_redis_that_is_killed_under_load_loses_no_accepted_write(service: Service) -> None:
    answers: list[tuple[str, Answer]] = []
    stop = threading.Event()

    def load(client: int) -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            answers.append((f"{client}-{number}", service.create(f"{client}-{number}")))

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(load, client) for client in range(8)]
        for _ in range(3):
            count = len(answers)
            until(lambda seen=count: len(answers) > seen + 40, what="some load")  # type: ignore[misc]
            service.kill("redis")
            service.start("redis")
            until(lambda: service.create("probe").status == 201, what="a write after Redis is back")
        stop.set()
    for future in running:
        future.result()

    service.until_acknowledged()
    names = service.names()
    committed = [name for name, answer in answers if answer.status in {201, 202}]
    assert {answer.status for _, answer in answers} <= {201, 202, 503}
    assert set(committed) <= set(names)
    assert len(set(names) - {"probe"}) == len([name for name in names if name != "probe"])


def test_without_a_writer_writes_are_accepted_at_once_and_committed_in_order_later(service: Service) -> None:
    service.create("before")
    service.stop("writer")

    started = time.monotonic()
    answers = [service.create(f"waiting {number:02}") for number in range(20)]
    took = time.monotonic() - started

    assert {answer.status for answer in answers} == {202}
    assert took < 10
    write_id = answers[0].headers["Write-Id"]
    assert service.get(f"/api/writes/{write_id}/").json()["status"] == "queued"
    assert list(service.get("/health/ready").json()["fields"]) == ["writer"]
    service.start("writer")
    until(lambda: len(service.names()) == 21, what="the writes to be committed")
    assert service.names() == ["before", *(f"waiting {number:02}" for number in range(20))]
    assert service.get(f"/api/writes/{write_id}/").json()["status"] == "committed"


def test_a_frozen_writer_turns_waiting_requests_into_202(make_service: MakeService) -> None:
    service = make_service(WRITE_WAIT_SECONDS="0.5")
    service.start_all()
    service.signal("writer", SIGSTOP)

    answer = service.create("slow")

    assert answer.status == 202
    service.signal("writer", SIGCONT)
    until(lambda: service.names() == ["slow"], what="the commit")


def test_while_a_write_waits_its_key_gets_409_and_then_the_outcome(service: Service) -> None:
    service.stop("writer")
    headers = {"Idempotency-Key": "waiting"}
    first = service.create("once", headers=headers)

    again = service.create("once", headers=headers)
    other = service.create("other", headers=headers)

    assert first.status == 202
    assert (again.status, again.json()["code"]) == (409, "idempotency_key_in_progress")
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Retry-After"] == "1"
    assert (other.status, other.json()["code"]) == (422, "idempotency_key_reused")
    service.start("writer")
    until(lambda: service.create("once", headers=headers).status == 201, what="the outcome")
    assert service.names() == ["once"]


def test_a_full_stream_refuses_and_loses_nothing(make_service: MakeService) -> None:
    service = make_service(WRITE_STREAM_MAX_LENGTH="5")
    service.start_all()
    service.stop("writer")

    answers = [service.create(f"item {number}") for number in range(8)]

    assert [answer.status for answer in answers] == [202] * 5 + [503] * 3
    assert answers[-1].json()["code"] == "stream_full"
    assert answers[-1].headers["Retry-After"] == "1"
    assert service.redis().xlen("writes:stream") == 5
    service.start("writer")
    until(lambda: service.names() == [f"item {number}" for number in range(5)], what="the commits")
    service.until_acknowledged()
    assert service.create("again").status == 201


def test_a_second_worker_stands_by_and_takes_over_when_the_first_is_killed(service: Service) -> None:
    first = service.processes.pop("writer")
    service.start("writer")
    until(lambda: "state=standby" in service.log("writer"), what="the second worker to stand by")
    with service.redis() as client:
        until(lambda: client.zcard("writes:standbys") == 1, what="the second worker to say so")
    assert service.create("by the first").status == 201

    first.kill()
    killed = time.monotonic()
    first.wait(10)

    assert service.create("by the second").status == 201
    assert time.monotonic() - killed < 5
    assert service.names() == ["by the first", "by the second"]


def test_a_web_process_that_is_killed_loses_nothing_that_it_handed_over(service: Service) -> None:
    service.signal("writer", SIGSTOP)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(service.create, f"handed over {number}") for number in range(4)]
        until(lambda: service.redis().xlen("writes:stream") == 4, what="four writes in the stream")
        service.signal("web", SIGKILL)
        assert all(isinstance(one.exception(10), OSError | Exception) for one in waiting)

    service.signal("writer", SIGCONT)

    until(lambda: len(service.names()) == 4, what="the commits")


def test_a_worker_with_wrong_flags_does_not_start(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.stop("writer")
    worker = [parts.PYTHON, "-m", "celery", "--quiet", "-A", "project", "worker", "--queues", "writer"]
    monkeypatch.setattr(parts, "WRITER", [*worker, "--pool", "prefork", "--concurrency", "2"])

    service.start("writer")

    assert service.processes.pop("writer").wait(30) != 0
    assert "start it with --pool solo --concurrency 1" in service.log("writer")


def test_a_writer_that_is_told_to_stop_gives_the_lease_back_and_ends_with_0(service: Service) -> None:
    assert service.stop("writer") == 0
    assert "writer state=gave-lease-back reason=shutdown" in service.log("writer")

    assert service.create("waits").status == 202


def test_a_writer_takes_no_name_that_celery_would_not_know(service: Service) -> None:
    refused = service.manage("writer", "--name", "a@b", check=False)

    assert refused.returncode == 2
    assert "argument --name: use up to 64 letters, digits, _ . and -" in refused.stderr
