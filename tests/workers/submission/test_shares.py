"""Large writes of one client wait for each other, not others for them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from rest_framework.test import APIClient

from tests.waiting import until
from workers.exceptions import TooManyWaiting
from workers.stream import heartbeat, keys
from workers.submission import shares
from workers.submission.client import submit
from workers.submission.shares import Shares
from workers.writer.loop import Writer

LARGE = 10_000
"""Of which one has room in the default share, and two have not."""


class Entering:
    """A caller in a thread, who enters a place and leaves it when told."""

    def __init__(self, of: Shares, client: str, size: int = LARGE) -> None:
        self.has_place = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(of, client, size))
        self._thread.start()

    def _run(self, of: Shares, client: str, size: int) -> None:
        try:
            with of.place(client, size, seconds=30):
                self.has_place = True
                self._over.wait(30)
        finally:
            connection.close()

    def enter(self) -> None:
        until(lambda: self.has_place, what="a place")

    def leave(self) -> None:
        self._over.set()
        self._thread.join()


Enter = Callable[..., Entering]


@pytest.fixture(autouse=True)
def _no_lapse(clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "LAPSE_SECONDS", 60.0)


@pytest.fixture
def of() -> Shares:
    return Shares()


@pytest.fixture
def enter(of: Shares) -> Iterator[Enter]:
    with ExitStack() as leaves:

        def one(client: str, size: int = LARGE) -> Entering:
            entering = Entering(of, client, size)
            leaves.callback(entering.leave)
            return entering

        yield one


def waiting(of: Shares, client: str) -> int:
    return len(of._clients[client].queue) if client in of._clients else 0


def test_a_second_large_write_of_a_client_waits_for_the_first_and_nobody_else_does(
    of: Shares, enter: Enter
) -> None:
    first = enter("bulk")
    first.enter()

    second = enter("bulk")
    until(lambda: waiting(of, "bulk") == 1)
    enter("other").enter()
    enter("bulk", shares.LARGE_BYTES - 1).enter()
    assert not second.has_place
    first.leave()

    second.enter()


def test_large_writes_share_the_room_for_as_much_as_there_is(of: Shares, enter: Enter) -> None:
    with override_settings(WRITE_SHARE_BYTES=3 * LARGE):
        some = [enter("bulk") for _ in range(3)]
        for one in some:
            one.enter()
        fourth = enter("bulk")
        until(lambda: waiting(of, "bulk") == 1)
        assert not fourth.has_place

        some[1].leave()
        fourth.enter()


def test_one_that_is_larger_than_the_share_gets_it_alone(enter: Enter) -> None:
    enter("bulk", 500_000).enter()


def test_who_waits_for_a_place_gets_it_in_the_order_of_coming(of: Shares, enter: Enter) -> None:
    first = enter("bulk")
    first.enter()
    second = enter("bulk")
    until(lambda: waiting(of, "bulk") == 1)
    third = enter("bulk", 5_000)  # for which there is room already
    until(lambda: waiting(of, "bulk") == 2)
    assert not third.has_place

    first.leave()
    second.enter()
    third.enter()


def test_who_gets_no_place_in_time_is_refused(of: Shares, enter: Enter) -> None:
    enter("bulk").enter()

    with (
        pytest.raises(TooManyWaiting, match="this one was not in time"),
        of.place("bulk", LARGE, seconds=0.05),
    ):
        pass
    assert waiting(of, "bulk") == 0


def test_a_place_lapses_when_the_writer_is_held_up(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "LAPSE_SECONDS", 0.05)

    enter("bulk").enter()
    enter("bulk").enter()


def test_nothing_is_kept_of_a_client_who_is_through(of: Shares, enter: Enter) -> None:
    one = enter("bulk")
    one.enter()
    one.leave()

    assert of._clients == {}


@pytest.mark.django_db(transaction=True)
def test_one_that_did_not_wait_for_its_outcome_keeps_its_place_until_it_has_one(
    writer: Writer, of: Shares, enter: Enter
) -> None:
    with of.place("bulk", LARGE, seconds=1) as place:
        assert place is not None
        place.keeps = submit("jottings.add", {"data": {"text": "a"}}, announced=False).accepted()
    second = enter("bulk")
    until(lambda: waiting(of, "bulk") == 1)
    assert not second.has_place

    writer.drain()
    second.enter()


@pytest.mark.django_db(transaction=True)
def test_two_processes_have_one_write_together_that_needs_the_share_of_a_client(
    writer: Writer, of: Shares, enter: Enter
) -> None:
    with of.place("bulk", LARGE, seconds=1) as place:
        assert place is not None
        there = Shares()  # as another process has them
        with pytest.raises(TooManyWaiting), there.place("bulk", LARGE, seconds=0.05):
            pass
        with there.place("bulk", 5_000, seconds=0.05), there.place("other", LARGE, seconds=0.05):
            pass
        place.keeps = submit("jottings.add", {"data": {"text": "a"}}, announced=False).accepted()
    with pytest.raises(TooManyWaiting), there.place("bulk", LARGE, seconds=0.05):
        pass

    writer.drain()
    with there.place("bulk", LARGE, seconds=0.05):
        pass


@pytest.mark.django_db(transaction=True)
def test_a_client_of_the_api_has_one_large_write_in_the_stream_at_a_time(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    user = User.objects.create_superuser("ada")
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    clean_redis.persist(keys.heartbeat())  # however long the machine takes
    statuses: list[int] = []

    def post() -> None:
        client = APIClient()
        client.force_authenticate(user)
        body = {"items": [{"name": "x" * 190} for _ in range(150)]}
        headers = {"Prefer": "respond-async"}
        statuses.append(client.post("/api/items/bulk/", body, format="json", headers=headers).status_code)
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    for committed in range(1, 4):
        until(lambda: clean_redis.xlen("writes:stream") == 1, what="one to be accepted")
        until(lambda wanted=3 - committed: waiting(shares.shares, str(user.pk)) == wanted)  # type: ignore[misc]
        assert clean_redis.xlen("writes:stream") == 1
        writer._step(wait_seconds=0)  # one batch: drain() would also commit what comes meanwhile
    for thread in threads:
        thread.join()

    assert statuses == [202, 202, 202]


@pytest.mark.django_db(transaction=True)
def test_while_no_writer_is_at_work_large_writes_are_accepted_as_they_come(
    clean_redis: redis.Redis, transactional_db: None
) -> None:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("ada"))
    body = {"items": [{"name": "x" * 190} for _ in range(150)]}

    for _ in range(3):
        assert client.post("/api/items/bulk/", body, format="json").status_code == 202
    assert clean_redis.xlen("writes:stream") == 3


def test_who_leaves_after_its_client_was_forgotten_takes_nothing_from_the_next_one_of_the_name(
    of: Shares, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "CLIENTS", 1)
    monkeypatch.setattr(shares, "LAPSE_SECONDS", 0.0)  # at once
    first = enter("bulk")
    first.enter()
    monkeypatch.setattr(shares, "LAPSE_SECONDS", 60.0)
    enter("other").enter()  # which has the first one forgotten
    second = enter("bulk")
    second.enter()

    first.leave()

    third = enter("bulk")
    until(lambda: waiting(of, "bulk") == 1, what="the third one to wait for the second")
    assert not third.has_place
    second.leave()
    third.enter()
