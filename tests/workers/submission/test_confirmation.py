"""WRITE_ACCEPT_REPLICAS: what is accepted is in a replica too, and one question does for many writes."""

import asyncio
from collections.abc import Iterator
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest
from django.test import override_settings

from tests import redis_servers
from tests.jottings.write_functions import texts
from tests.redis_servers import Fleet
from tests.waiting import until
from workers.exceptions import AcceptanceUnknown
from workers.stream import keys
from workers.submission.submission import Submission
from workers.submission.submitter import Submitter
from workers.writer.loop import Writer
from workers.writes import Write, new_token


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A master and one replica."""
    with redis_servers.running(tmp_path_factory.mktemp("redis"), servers=2, sentinels=0) as fleet:
        yield fleet


@pytest.fixture
def replica(fleet: Fleet, transactional_db: None) -> Iterator[int]:
    """The replica of which a write needs the confirmation. Gives its port."""
    master, replica = fleet.servers
    with fleet.client(master) as client:
        client.flushall()
    with override_settings(REDIS_URL=f"redis://127.0.0.1:{master}", WRITE_ACCEPT_REPLICAS=1):
        yield replica
    fleet.signal(replica, SIGCONT)
    until(lambda: fleet.replicas_in_step(master) == 1, what="the replica")


@pytest.fixture
def writer(replica: int) -> Writer:
    return Writer()


@pytest.fixture
def submitter(writer: Writer) -> Iterator[Submitter]:
    made = Submitter(ring=lambda: None)
    yield made
    made.close()


def add(submitter: Submitter, text: str, *, announced: bool = False) -> Submission:
    write = Write(function="jottings.add", arguments={"data": {"text": text}}, token=new_token())
    submission = submitter.submit(write, announced=announced)
    # Two turns of its loop: the second one comes after what the first one sends.
    for _ in range(2):
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), submitter.loop).result(10)
    return submission


def waits_for_replica(fleet: Fleet) -> bool:
    with fleet.client(fleet.servers[0]) as client:
        return bool(client.info("clients")["blocked_clients"])


def calls(fleet: Fleet, command: str) -> int:
    with fleet.client(fleet.servers[0]) as client:
        found: Any = client.info("commandstats")
    return int(found.get(f"cmdstat_{command}", {}).get("calls", 0))


def test_what_is_accepted_is_in_the_replica(fleet: Fleet, replica: int, submitter: Submitter) -> None:
    accepted = [add(submitter, str(number)).accepted() for number in range(20)]

    with fleet.client(replica) as client:
        assert [f"{write_id}-0" for write_id in accepted] == [one for one, _ in client.xrange(keys.stream())]


def test_without_a_replica_nothing_is_called_accepted_and_an_outcome_counts_all_the_same(
    fleet: Fleet, replica: int, submitter: Submitter, writer: Writer
) -> None:
    fleet.signal(replica, SIGSTOP)
    writer.tend()  # so that who waits knows that a writer is at work
    with pytest.raises(AcceptanceUnknown):
        add(submitter, "not waited for").accepted()
    with pytest.raises(AcceptanceUnknown):
        add(submitter, "no outcome in time", announced=True).wait(1.0)
    waited_for = add(submitter, "waited for", announced=True)
    writer.drain()

    outcome = waited_for.wait(10)

    assert outcome is not None
    assert texts() == ["not waited for", "no outcome in time", "waited for"]
    fleet.signal(replica, SIGCONT)
    until(lambda: _is_accepted(add(submitter, "after")), what="a write that is accepted again")


def test_what_is_appended_during_a_question_is_asked_about_together(
    fleet: Fleet, replica: int, submitter: Submitter
) -> None:
    add(submitter, "warm up").accepted()
    asked = calls(fleet, "wait")
    with override_settings(WRITE_SUBMIT_TIMEOUT_SECONDS=20):
        fleet.signal(replica, SIGSTOP)
        first = add(submitter, "first")
        until(lambda: waits_for_replica(fleet), what="the question")
        others = [add(submitter, str(number)) for number in range(5)]
        fleet.signal(replica, SIGCONT)

        ids = [submission.accepted() for submission in (first, *others)]

    assert ids == sorted(ids)
    assert calls(fleet, "wait") == asked + 2


def test_a_link_that_is_cut_before_the_reply_has_its_writes_sent_again_to_take_effect_once(
    fleet: Fleet, replica: int, submitter: Submitter, writer: Writer
) -> None:
    add(submitter, "warm up").accepted()
    with override_settings(WRITE_SUBMIT_TIMEOUT_SECONDS=20):
        fleet.signal(replica, SIGSTOP)
        submission = add(submitter, "a", announced=True)
        until(lambda: waits_for_replica(fleet), what="the question")
        with fleet.client(fleet.servers[0]) as client:
            client.client_kill_filter(_type="pubsub")
        fleet.signal(replica, SIGCONT)
        until(lambda: submission.write_id, what="the second acceptance")
    writer.drain()

    assert submission.wait(10) is not None
    assert texts() == ["warm up", "a"]


def _is_accepted(submission: Submission) -> bool:
    try:
        return bool(submission.accepted())
    except AcceptanceUnknown:
        return False
