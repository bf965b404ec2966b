"""A writer that has nothing to do waits at the stream: nobody rings for it, and Celery goes on."""

from tests.e2e.service import Service
from tests.waiting import until
from workers.stream import keys


def beats(service: Service) -> bytes | None:
    with service.redis() as client:
        beat: bytes | None = client.get("writes:writer")
    return beat


def let_it_be_idle(service: Service) -> None:
    """Return after more than the doorbell lives: the idle writer renews its heartbeat each second."""
    for _ in range(2):
        before = beats(service)
        until(lambda before=before: beats(service) != before, what="the heartbeat")  # type: ignore[misc]


def messages(service: Service) -> int:
    """Return how many Celery messages were sent: kombu pushes each to a list."""
    with service.redis() as client:
        return int(client.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))


def test_writes_after_a_quiet_time_are_committed_without_a_celery_message(service: Service) -> None:
    let_it_be_idle(service)
    before = messages(service)

    for number in range(3):
        let_it_be_idle(service)
        assert service.create(f"after quiet {number}").status == 201

    assert messages(service) == before
    written = [name for name in service.names() if name.startswith("after quiet")]
    assert written == [f"after quiet {number}" for number in range(3)]


def test_an_idle_writer_listens_to_celerys_remote_control(service: Service) -> None:
    let_it_be_idle(service)

    code = "from project.celery import app; print(app.control.ping(timeout=5, limit=1))"
    said = service.manage("shell", "--no-imports", "-c", code)

    assert "'ok': 'pong'" in said.stdout


def test_a_doorbell_is_answered_by_a_writer_that_lost_its_wait(service: Service) -> None:
    """Its blocked command is killed in Redis: the next tick waits anew."""
    with service.redis() as client:
        for one in client.client_list():
            if one["cmd"] == "xread":
                client.client_kill_filter(_id=one["id"])
        client.delete(keys.doorbell())

    assert service.create("all the same").status == 201
