"""The store lock among processes and threads: one holder at a time, in the order of asking, whoever dies."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests import forks
from tests.waiting import until
from tests.workers.store.lock.processes import BASE_DIR, Caller, caller
from workers.event_loop import fibers
from workers.exceptions import StoreBusy
from workers.store.lock import record, store_lock
from workers.store.lock.store_lock import StoreLock
from workers.store.lock.waiting import LOOK_SECONDS, Place

COUNTER = """
import sys, threading
from pathlib import Path
from workers.store.lock.store_lock import StoreLock
lock, file = StoreLock(Path(sys.argv[1])), Path(sys.argv[1])
def count():
    for _ in range(100):
        lock.acquire("count", seconds=60)
        try:
            file.write_text(str(int(file.read_text()) + 1))  # lost, were there two at once
        finally:
            lock.release()
threads = [threading.Thread(target=count) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

Start = Callable[[str], Caller]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def lock(store: Path) -> StoreLock:
    return StoreLock(store)


@pytest.fixture
def start(store: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(caller(store, name))


def served(store: Path) -> list[str]:
    """Return who held the lock, in order."""
    return Path(f"{store}.log").read_text().split()


def in_thread(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def wait_for_waiting(lock: StoreLock, count: int) -> None:
    until(lambda: len(lock._waiting) == count, what=f"{count} to wait")


def test_threads_of_several_processes_never_hold_it_at_once(store: Path) -> None:
    store.write_text("0")

    command = [sys.executable, "-c", COUNTER, str(store)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(forks.talking(command, env=os.environ, cwd=BASE_DIR)) for _ in range(3)
        ]

        assert [process.wait() for process in processes] == [0, 0, 0]
    assert store.read_text() == "900"


def test_processes_are_served_in_the_order_in_which_they_asked(store: Path, start: Start) -> None:
    first, *others = (start(name) for name in "abcd")
    first.acquire()
    for each in others:
        each.queue()
    time_to_be_late(store)

    first.release()
    for each in others:
        assert each.hear() == "held"
        each.release()

    assert served(store) == ["a", "b", "c", "d"]


def all_stopped(pid: int) -> bool:
    stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def time_to_be_late(store: Path) -> None:
    """Let all who wait have waited for longer than they may be overtaken."""
    end = time.monotonic() + store_lock.AT_ONCE_SECONDS * 1.1
    until(lambda: time.monotonic() > end)


def test_a_thread_does_not_overtake_a_process_that_has_waited_for_long(
    store: Path, lock: StoreLock, start: Start
) -> None:
    other = start("other")
    lock.acquire("first", seconds=0)
    other.queue()
    order: list[str] = []

    def take() -> None:
        lock.acquire("own", seconds=20)
        order.append("own")

    thread = in_thread(take)
    wait_for_waiting(lock, 1)
    time_to_be_late(store)

    lock.release()  # not to its own thread: the other process's ticket is older

    assert other.hear() == "held"
    assert order == []
    other.release()
    thread.join()
    assert order == ["own"]


def test_a_newcomer_does_not_overtake_who_has_waited_for_long(
    store: Path, lock: StoreLock, start: Start
) -> None:
    other, newcomer = start("other"), start("newcomer")
    lock.acquire("first", seconds=0)
    other.queue()
    time_to_be_late(store)
    newcomer.queue()

    lock.release()
    with pytest.raises(StoreBusy):
        lock.acquire("again", seconds=0)

    assert other.hear() == "held"


def test_threads_of_one_process_queue(lock: StoreLock) -> None:
    lock.acquire("first", seconds=0)
    order: list[int] = []

    def take(number: int) -> None:
        lock.acquire(str(number), seconds=20)
        order.append(number)
        lock.release()

    threads = []
    for number in range(4):
        threads.append(in_thread(partial(take, number)))
        wait_for_waiting(lock, number + 1)
    time_to_be_late(lock.store)
    lock.release()
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2, 3]
    assert lock.holder() is None


def test_a_holder_that_is_killed_frees_it(lock: StoreLock, start: Start) -> None:
    other = start("other")
    other.acquire()

    other.process.kill()

    lock.acquire("next", seconds=20)
    lock.release()


def test_a_waiter_that_is_killed_stops_nobody(lock: StoreLock, start: Start) -> None:
    killed, other = start("killed"), start("other")
    lock.acquire("first", seconds=0)
    killed.queue()
    other.queue()

    killed.process.kill()
    killed.process.wait()
    lock.release()

    assert other.hear() == "held"


def test_a_waiter_that_is_stopped_is_passed_by_and_comes_on_later(
    store: Path, lock: StoreLock, start: Start
) -> None:
    stopped, other = start("stopped"), start("other")
    lock.acquire("first", seconds=0)
    stopped.queue()
    other.queue()
    time_to_be_late(store)
    stopped.process.send_signal(signal.SIGSTOP)
    until(lambda: all_stopped(stopped.process.pid), what="all its threads to be stopped")
    lock.release()

    assert other.hear() == "held"
    other.release()
    lock.acquire("nobody waits for it any more", seconds=20)
    lock.release()
    stopped.process.send_signal(signal.SIGCONT)

    assert stopped.hear() == "held"


def test_who_waits_in_vain_learns_who_holds_it(lock: StoreLock, start: Start) -> None:
    other = start("a-name")
    other.acquire()

    with pytest.raises(StoreBusy, match=rf"a-name \(pid {other.process.pid}, since .*Nothing was written"):
        lock.acquire("in vain", seconds=0.1)


def test_a_claim_that_was_given_up_keeps_nobody_from_the_lock(lock: StoreLock, start: Start) -> None:
    holder, other = start("holder"), start("other")
    holder.acquire()
    with pytest.raises(StoreBusy):
        lock.acquire("in vain", seconds=0.1)
    other.queue()

    holder.release()

    assert other.hear() == "held"
    other.release()
    lock.acquire("again", seconds=20)
    lock.release()


def test_who_gives_up_and_comes_back_keeps_its_place(lock: StoreLock, start: Start) -> None:
    holder, younger = start("holder"), start("younger")
    holder.acquire()
    place = Place()
    with pytest.raises(StoreBusy):
        lock.acquire("elder", seconds=0.1, place=place)
    asked_at = place.ticket
    younger.queue()
    seen: list[float] = []
    thread = in_thread(
        lambda: lock.acquire("elder", seconds=20, on_wait=lambda _, queued: seen.append(queued), place=place)
    )
    until(lambda: seen, what="a look at who holds it")
    assert place.ticket == asked_at

    holder.release()
    thread.join()

    assert seen[0] > LOOK_SECONDS + 0.1  # it has queued since it asked first
    assert place.ticket is None  # the next time it is behind whoever waits by then
    lock.release()
    assert younger.hear() == "held"


def test_a_deleted_file_ends_no_wait_and_no_hold(store: Path, lock: StoreLock, start: Start) -> None:
    other = start("other")
    other.acquire()
    seen: list[float] = []
    thread = in_thread(
        lambda: lock.acquire("waits", seconds=20, on_wait=lambda holder, seconds: seen.append(seconds))
    )
    wait_for_waiting(lock, 1)

    lock.path.unlink()
    until(lambda: len(seen) >= 2, what="two looks at who holds it")
    other.release()
    thread.join()
    lock.mark()  # looks at the file, and must not lose the one that is locked
    lock.release()

    other.acquire()  # both use the new file from now on
    until(lambda: lock.holder() is not None)
    with pytest.raises(StoreBusy):
        lock.acquire("next", seconds=0)


def test_a_forked_child_neither_holds_nor_frees_what_its_parent_holds(store: Path) -> None:
    lock = store_lock.lock_of(store)
    lock.acquire("parent", seconds=0)

    child = os.fork()
    if child == 0:
        lock.release()
        try:
            lock.acquire("child", seconds=0)
        except StoreBusy:
            os._exit(7)
        os._exit(1)

    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert lock.holder() is not None
    lock.release()
    assert lock.holder() is None


def test_a_fiber_waits_without_stopping_its_loop(lock: StoreLock) -> None:
    lock.acquire("first", seconds=0)

    async def main() -> list[str]:
        done: list[str] = []

        def wait() -> None:
            lock.acquire("fiber", seconds=20)
            done.append("fiber")
            lock.release()

        task = asyncio.create_task(fibers.run(wait))
        while not lock._waiting:
            await asyncio.sleep(0)
        done.append("loop")
        lock.release()
        await task
        return done

    assert asyncio.run(main()) == ["loop", "fiber"]


def test_a_loop_that_was_closed_keeps_the_lock_from_nobody(lock: StoreLock) -> None:
    lock.acquire("first", seconds=0)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(fibers.run(lambda: lock.acquire("gone", seconds=20)))
    while not lock._waiting:
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert not waiting.done()

    lock.release()
    lock.acquire("next", seconds=20)
    lock.release()


@pytest.mark.parametrize("purpose", ['"' * 300, "é" * 300, "\n\\" * 300, "\U0001f600" * 300])
def test_any_purpose_fits_into_the_record(lock: StoreLock, purpose: str) -> None:
    lock.acquire(purpose, seconds=0)

    holder = lock.holder()
    lock.release()

    assert holder is not None
    assert holder.pid == os.getpid()
    assert len(json.dumps({"purpose": holder.purpose})) < record.SIZE


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o644, 0o600), (0o660, 0o660)])
def test_who_may_write_the_store_may_lock_it_and_nobody_else(
    store: Path, lock: StoreLock, mode: int, expected: int
) -> None:
    store.touch()
    store.chmod(mode)

    lock.acquire("first", seconds=0)
    lock.release()

    assert lock.path.stat().st_mode & 0o777 == expected
