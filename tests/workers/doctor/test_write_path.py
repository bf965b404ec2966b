"""The write path at work: writer, lease, stream, pauses."""

import os
import signal

import pytest
import redis
from django.test import override_settings

from tests.waiting import until
from tests.workers.doctor.stores import examined
from tests.workers.writer_process import lease_held, lock_held
from workers import submit
from workers.doctor import Level, write_path
from workers.store import holder
from workers.stream import heartbeat, pauses
from workers.stream.heartbeat import Heartbeat
from workers.writer.loop import Writer


@pytest.mark.django_db(transaction=True)
def test_without_a_writer_that_is_an_error(clean_redis: redis.Redis) -> None:

    finding = examined()["writer"]

    assert finding.level is Level.ERROR
    assert finding.hint.startswith("Start one: `manage.py up`")


@pytest.mark.django_db(transaction=True)
def test_a_pause_is_shown_and_excuses_the_writer(clean_redis: redis.Redis) -> None:
    pauses.request(clean_redis, pauses.Pause(by="Ada", until=2e9), seconds=60)

    found = examined()

    assert found["writer.pause"].level is Level.WARNING
    assert found["writer.pause"].msg.startswith("Ada asks for a pause, until 2033-05-18")
    assert "`manage.py resume`" in found["writer.pause"].hint
    assert found["writer"].level is Level.OK


def test_a_writer_that_cannot_commit_is_an_error(at_work: Writer, clean_redis: redis.Redis) -> None:
    Heartbeat(clean_redis).renew(committed=0, error="database or disk is full")

    finding = examined()["writer"]

    assert finding.level is Level.ERROR
    assert "database or disk is full" in finding.msg
    assert finding.hint.startswith("Remove the cause")


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_of_another_than_the_leases_holder_is_an_error(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_path, "HANDOVER_SECONDS", 0.0)
    writer.drain()

    with lease_held("writer") as other:
        finding = examined()["lease"]

    assert finding.level is Level.ERROR
    assert f"Held by writer (pid {other.pid}, " in finding.msg
    assert "WRITE_KEY_PREFIX of its own" in finding.hint


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_while_nobody_holds_the_lease_is_an_error(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_path, "HANDOVER_SECONDS", 0.0)
    writer.drain()

    finding = examined()["lease"]

    assert finding.level is Level.ERROR
    assert finding.msg.startswith("Held by nobody; ")


@pytest.mark.django_db(transaction=True)
def test_a_dead_writer_is_given_time_to_be_forgotten(writer: Writer, clean_redis: redis.Redis) -> None:
    writer.drain()
    clean_redis.pexpire("writes:writer", 300)

    assert examined()["lease"].level is Level.OK


@pytest.mark.django_db(transaction=True)
def test_a_holder_without_progress_is_a_warning(clean_redis: redis.Redis) -> None:
    with lease_held("writer"):
        finding = examined()["lease"]

    assert finding.level is Level.WARNING
    assert "kill that process" in finding.hint


@pytest.mark.django_db(transaction=True)
def test_who_holds_the_store_lock_is_named_and_is_a_warning_when_it_takes_long(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = examined()["store.lock"]
    with lock_held("manage.py shell") as shell:
        shortly = examined()["store.lock"]
        monkeypatch.setattr(holder, "PATIENCE_SECONDS", 0.0)
        long = examined()["store.lock"]

    assert (free.level, shortly.level, long.level) == (Level.OK, Level.OK, Level.WARNING)
    assert free.msg.startswith("Free")
    assert long.msg.startswith(f"Held by manage.py shell (pid {shell.pid}, since ")
    assert long.hint.startswith("Wait until its transaction ends")


@pytest.mark.django_db(transaction=True)
def test_a_stopped_holder_is_a_warning_at_once_and_says_how_to_let_it_go_on(
    clean_redis: redis.Redis,
) -> None:
    with lock_held("manage.py dbshell") as stopped:
        os.kill(stopped.pid, signal.SIGSTOP)
        until(lambda: examined()["store.lock"].level is Level.WARNING, what="the stop to be seen")
        finding = examined()["store.lock"]

    assert f"`fg` in its terminal, or kill {stopped.pid}" in finding.hint


@pytest.mark.django_db(transaction=True)
def test_the_stream_is_measured_against_its_limit(clean_redis: redis.Redis) -> None:
    for number in range(4):
        submit("jottings.add", {"data": {"text": str(number)}}, announced=False).accepted()

    with override_settings(WRITE_STREAM_MAX_LENGTH=5):
        assert examined()["stream"].level is Level.WARNING
    with override_settings(WRITE_STREAM_MAX_LENGTH=4):
        finding = examined()["stream"]

    assert finding.level is Level.ERROR
    assert "New writes get 503." in finding.msg
    assert finding.hint.startswith("See the writer above.")


def test_a_write_that_waits_for_too_long_is_an_error() -> None:
    assert write_path.judge_stream(1, 30.0).level is Level.OK
    assert write_path.judge_stream(1, 30.1).level is Level.ERROR


def test_the_heartbeat_outlives_its_writer_for_less_than_doctor_waits() -> None:
    assert write_path.HANDOVER_SECONDS > heartbeat.LIFE_SECONDS
