"""A slice on its way to a stream that takes it, and does not confirm it."""

import pytest
import redis
from django.test import override_settings

from workers.stream import keys
from workers.submission import client
from workers.transfer.handing_over import LONGEST_PAUSE_SECONDS, SliceWrite
from workers.transfer.slices import Slice
from workers.transfer.sources import Record

pytestmark = [pytest.mark.django_db(transaction=True)]


class Enough(Exception):
    pass


def test_what_redis_takes_and_does_not_confirm_is_sent_again_ever_more_rarely(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Slice(records=[Record(1, {"name": "a"})], token="ab" * 16, read_bytes=1)
    pauses: list[float] = []

    def note(self: SliceWrite, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            raise Enough

    monkeypatch.setattr(SliceWrite, "_in_receipt_within", note)
    monkeypatch.setattr(client, "_submitter", None)  # a link that is open already asks no replica
    with override_settings(WRITE_ACCEPT_REPLICAS=1, WRITE_SUBMIT_TIMEOUT_SECONDS=0.1):
        write = SliceWrite(part, function="items.import", principal="")
        with pytest.raises(Enough):
            write.outcome(lambda reason: None)
        client.stream_submitter().close()

    assert clean_redis.xlen(keys.stream()) == len(pauses)
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
