"""The writer that waits for the store lock for too long keeps its place while it tries again."""

import threading

import redis
from django.db import connections
from django.test import override_settings

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.store.lock.processes import caller
from tests.workers.submitting import accepted
from workers.store import opening
from workers.store.roles import Role, set_role
from workers.stream import heartbeat
from workers.writer.loop import Writer


def test_nobody_who_asked_later_writes_before_it(writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("a")
    lock = opening.store_lock()
    assert lock is not None
    writer.stop()  # the one at work has a thread of its own

    is_made, is_held = threading.Event(), threading.Event()

    def work() -> None:
        try:
            worker = Writer()  # with a connection of this thread, which needs the lock at first
            is_made.set()
            is_held.wait(20)
            while not texts():
                worker.drain()
        finally:
            connections.close_all()

    def error() -> str:
        state = heartbeat.read(clean_redis)
        return (state and state.error) or ""

    set_role(Role.WRITER)
    try:
        with caller(lock.store, "holder") as holder, caller(lock.store, "younger") as younger:
            thread = threading.Thread(target=work)
            thread.start()
            assert is_made.wait(20)
            holder.acquire()
            with override_settings(WRITE_LOCK_WAIT_SECONDS=0.2):
                is_held.set()
                until(lambda: "holder" in error(), what="the writer to give up a wait")
            younger.queue()
            until(lambda: any(not claim.is_over for claim in lock._waiting), what="the writer to wait again")
            holder.release()
            assert younger.hear() == "held"
            committed = texts()
            younger.release()
            thread.join()
    finally:
        set_role(Role.COMMAND)

    assert committed == ["a"]
