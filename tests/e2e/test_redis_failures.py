"""Faults of Redis, forced for real: never a second effect, never a false 201, never "queued" for ever."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from signal import SIGHUP

import pytest

from tests.e2e.service import Service
from tests.e2e.test_commands import Load
from tests.waiting import until
from workers.up import embedded_redis


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    service = make_service()
    service.start_all()
    return service


class Cut:
    """Whether a connection is to be cut before its next reply."""

    def __init__(self) -> None:
        self.is_due = False
        self.lock = threading.Lock()
        """Held until the script is passed on: a reply to what came before must not cut that off."""


class CuttingProxy:
    """Passes bytes between clients and Redis; on demand it cuts a connection before the next reply."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.cut_after_scripts = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            redis = socket.socket(socket.AF_UNIX)
            redis.connect(self._target)
            cut = Cut()
            for source, sink, is_request in ((client, redis, True), (redis, client, False)):
                threading.Thread(target=self._pass, args=(source, sink, is_request, cut), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_request: bool, cut: "Cut") -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                with cut.lock:
                    if is_request and b"EVALSHA" in data and self.cut_after_scripts:
                        self.cut_after_scripts -= 1
                        cut.is_due = True
                    if not is_request and cut.is_due:
                        self.cuts += 1
                        break
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def proxied(make_service: Callable[..., Service]) -> Iterator[tuple[Service, CuttingProxy]]:
    service = make_service()
    service.start("redis")
    path = embedded_redis.socket_path(service.directory)
    embedded_redis.wait_until_responds(path, within_seconds=10)
    proxy = CuttingProxy(str(path))
    service.start("writer")
    service.settings = {
        "REDIS_URL": f"redis://127.0.0.1:{proxy.port}",
        "WEB_PROCESSES": "1",
        # A cut is what is tested. Under load a reply can be late for another reason, which is a 503 by right.
        "WRITE_SUBMIT_TIMEOUT_SECONDS": "5",
    }
    service.start("web")
    until(service.is_ready, seconds=30)
    yield service, proxy
    proxy.close()


def test_a_reply_that_is_cut_off_never_leads_to_a_second_effect(
    proxied: tuple[Service, CuttingProxy],
) -> None:
    service, proxy = proxied
    service.create("warm up")
    for number in range(10):
        headers = {"Idempotency-Key": f"cut-{number}"}
        proxy.cut_after_scripts = 1 + number % 2
        first = service.create(f"cut {number}", headers=headers)
        assert first.status in {201, 503}
        until(lambda: service.create(f"cut {number}", headers=headers).status == 201)  # noqa: B023

    assert proxy.cuts >= 10
    assert service.names() == ["warm up", *(f"cut {number}" for number in range(10))]


def test_a_write_without_a_key_whose_reply_is_cut_off_has_one_effect_or_is_called_unknown(
    proxied: tuple[Service, CuttingProxy],
) -> None:
    service, proxy = proxied
    service.create("warm up")
    proxy.cut_after_scripts = 1
    once = service.create("cut once")
    # The first one's outcome can come from its receipt, before it is sent again; that must not be cut.
    assert service.create("between").status == 201
    proxy.cut_after_scripts = 1
    asked_for_id = service.create("cut, async", headers={"Prefer": "respond-async"})

    assert once.status == 201
    assert (asked_for_id.status, asked_for_id.json()["code"]) == (503, "acceptance_unknown")
    until(lambda: "cut, async" in service.names(), what="the write that was accepted all the same")
    assert service.names() == ["warm up", "cut once", "between", "cut, async"]


def test_a_stall_of_two_seconds_is_told_honestly(service: Service) -> None:
    service.create("before")
    headers = {"Idempotency-Key": "stalled"}
    service.redis().execute_command("CLIENT", "PAUSE", "2000", "ALL")

    during = service.create("stalled", headers=headers)

    assert during.status == 503
    assert during.json()["code"] in {"acceptance_unknown", "queue_unavailable"}
    until(lambda: service.create("stalled", headers=headers).status == 201, what="the retry")
    assert service.names() == ["before", "stalled"]


def test_out_of_memory_redis_refuses_and_what_it_holds_is_committed(service: Service) -> None:
    service.create("before")
    service.redis().config_set("maxmemory", 1)

    refused = service.create("refused")
    read = service.get("/api/items/")
    service.redis().config_set("maxmemory", 0)

    assert (refused.status, refused.json()["code"]) == (503, "queue_unavailable")
    assert read.status == 200
    until(lambda: service.create("after").status == 201, what="a write after memory is back")
    assert service.names() == ["before", "after"]


def test_a_flush_by_an_operator_loses_what_waited_and_says_so(service: Service) -> None:
    service.create("before")
    service.stop("writer")
    lost = service.create("lost")
    assert lost.status == 202
    service.redis().flushall()

    status = service.get(f"/api/writes/{lost.headers['Write-Id']}/")

    assert (status.status, status.json()["code"]) == (404, "not_found")
    service.start("writer")
    until(service.is_ready, seconds=20)
    assert service.create("after").status == 201
    assert service.names() == ["before", "after"]


def test_with_everysec_a_kill_of_redis_leaves_no_write_queued_for_ever(service: Service) -> None:
    service.redis().config_set("appendfsync", "everysec")
    service.stop("writer")
    accepted = [service.create(f"item {number}").headers["Write-Id"] for number in range(30)]

    service.kill("redis")
    service.start("redis")
    service.start("writer")

    until(service.is_ready, seconds=20)
    assert service.create("after").status == 201
    statuses = [service.get(f"/api/writes/{write_id}/") for write_id in accepted]
    told = {answer.json()["status"] for answer in statuses if answer.status == 200}
    assert told <= {"committed"}
    committed = sum(answer.status == 200 for answer in statuses)
    assert len(service.names()) == committed + 1


def test_a_rolling_restart_under_load_shows_no_error_and_loses_nothing(service: Service) -> None:
    load = Load(service)
    until(lambda: len(load.answers) > 20, what="some load")
    for round_ in range(2):
        service.processes["web"].send_signal(SIGHUP)
        first = service.processes["writer"]
        service.start("writer")  # the new one stands by until the old one has finished its batch
        until(
            lambda count=round_: service.log("writer").count("state=standby") > count,  # type: ignore[misc]
            seconds=30,
            what="the new writer",
        )
        first.terminate()
        first.wait(30)
        seen = len(load.answers)
        until(lambda count=seen: len(load.answers) > count + 20, seconds=30, what="load goes on")  # type: ignore[misc]
    load.stop()

    assert {answer.status for answer in load.answers} <= {201, 202}
    until(lambda: len(service.names()) == len(load.answers), what="every write")


def test_many_clients_at_once_all_get_their_responses(service: Service) -> None:
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda number: service.create(f"{number}"), range(300)))

    assert {answer.status for answer in answers} == {201}
    assert len(service.names()) == 300
