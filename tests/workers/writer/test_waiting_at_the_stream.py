"""The bootstep that waits at the stream: what it does when it cannot."""

import select
from typing import Any

import pytest
import redis

from tests.jottings.write_functions import texts
from tests.workers.submitting import add
from workers.writer.loop import Writer
from workers.writer.worker.bootsteps import WriterStep
from workers.writer.worker.leadership import leadership
from workers.writer.worker.stream_wait import StreamWait


class Hub:
    """kombu's event loop, as far as it is used: keeps what it is asked to watch."""

    def __init__(self) -> None:
        self.watched: dict[int, Any] = {}

    def add_reader(self, descriptor: int, callback: Any) -> None:
        self.watched[descriptor] = callback

    def remove_reader(self, descriptor: int) -> None:
        self.watched.pop(descriptor)


@pytest.fixture
def step(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> WriterStep:
    monkeypatch.setattr(leadership, "writer", writer)
    step = WriterStep.__new__(WriterStep)
    step._wait = StreamWait(Hub(), step._drain)
    return step


def wait_of(step: WriterStep) -> StreamWait:
    assert step._wait is not None
    return step._wait


def test_a_writer_that_cannot_wait_at_the_stream_drains_at_each_look(
    step: WriterStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(wait: StreamWait) -> None:
        raise redis.ConnectionError("max number of clients reached")

    monkeypatch.setattr(StreamWait, "begin", refused)
    step._stay(is_writer=True)
    add("a").accepted()

    step._stay(is_writer=True)

    assert texts() == ["a"]


def test_a_writer_that_waits_is_told_of_what_comes_and_waits_again(step: WriterStep) -> None:
    step._stay(is_writer=True)
    [callback] = wait_of(step)._hub.watched.values()
    add("a").accepted()

    callback()

    assert texts() == ["a"]
    assert wait_of(step).waits
    wait_of(step).end()
    assert wait_of(step)._hub.watched == {}


def test_what_came_before_the_wait_began_is_told_of_too(step: WriterStep) -> None:
    """Between the last read and the wait a write may be accepted, and nobody rings for it."""
    add("a").accepted()

    wait_of(step).begin()

    [descriptor] = wait_of(step)._hub.watched
    assert select.select([descriptor], [], [], 20)[0] == [descriptor]
    wait_of(step).end()


def test_a_drain_that_failed_is_not_begun_again_at_once(
    step: WriterStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is not empty, so the wait would end at once, and fill the log."""

    def refused(writer: Writer, *, stays: bool = False) -> None:
        raise redis.ResponseError("MISCONF")

    monkeypatch.setattr(Writer, "drain", refused)

    step._drain()

    assert not wait_of(step).waits


def test_an_error_does_not_leave_the_tick(step: WriterStep, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise LookupError("a pause that cannot be read")

    monkeypatch.setattr(leadership, "try_begin", broken)

    step._tick(None)
