"""Reading one's own writes after a 202."""

import threading

import redis
from django.db import connection
from django.test import override_settings

from tests.waiting import until
from tests.workers.submitting import accepted
from workers.stream import keys
from workers.submission.client import stream_submitter
from workers.submission.read_after import Progress
from workers.writer.loop import Writer


def test_reading_after_a_write_waits_for_its_commit(writer: Writer) -> None:
    write_id = accepted("a")
    assert stream_submitter().wait_until_committed(write_id, 0) is Progress.WAITING
    got: list[Progress] = []

    def read() -> None:
        got.append(stream_submitter().wait_until_committed(write_id, 20))
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    until(lambda: writer._client.pubsub_numsub(keys.progress())[0][1] == 1, what="the reader's subscription")

    writer.drain()

    thread.join(20)
    assert got == [Progress.THROUGH]


def test_progress_is_announced_up_to_the_last_write_of_the_batch_and_no_further(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    with clean_redis.pubsub() as pubsub:
        pubsub.subscribe(keys.progress())
        until(lambda: clean_redis.pubsub_numsub(keys.progress())[0][1] == 1, what="the subscription")
        ids = [accepted(text) for text in "abcd"]

        with override_settings(WRITE_BATCH_MAX_WRITES=2):
            writer.drain()

        messages = list(iter(lambda: pubsub.get_message(timeout=0.1), None))
        announced = [int(message["data"]) for message in messages if message["type"] == "message"]
    assert announced == [ids[1], ids[3]]


def test_reading_after_a_write_that_was_never_accepted_is_told_apart(writer: Writer) -> None:
    assert stream_submitter().wait_until_committed(accepted("a") + 1_000_000_000, 5) is Progress.UNKNOWN
