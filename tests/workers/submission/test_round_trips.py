"""What travels through Redis arrives as it was sent: writes to the writer, outcomes back."""

from typing import Any, cast

import redis
from hypothesis import example, given
from hypothesis import strategies as st

from workers.stream import keys, outcomes
from workers.submission.listener import Listener
from workers.writes import (
    Outcome,
    Write,
    WriteStatus,
    decode,
    encode,
    encode_arguments,
    encode_result,
    new_token,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
some_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)  # all that orjson takes
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)
moments = st.datetimes() | st.datetimes(timezones=st.timezones()) | st.dates() | st.uuids()
results = json_values | st.dictionaries(texts, moments | st.floats(), max_size=4)
write_ids = st.integers(1, 2**63 - 1)


class Channels:
    """Stands for Redis, and for its pipeline: keeps what is published."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    def pipeline(self, *, transaction: bool) -> "Channels":
        return self

    def publish(self, channel: str, message: bytes | str) -> None:
        self.messages.append((channel, message))

    def execute(self) -> None:
        pass


class Caller:
    """A waiter that keeps the outcome."""

    write = Write(function="f", arguments={}, token=new_token())
    outcome: Outcome | None = None

    def settle(self, outcome: Outcome) -> None:
        assert self.outcome is None
        self.outcome = outcome


@given(
    st.builds(
        Write,
        function=texts,
        arguments=st.dictionaries(texts, json_values, max_size=4),
        token=st.builds(new_token),
        principal=texts,
        fingerprint=st.none() | some_texts,
        reply_to=st.none() | some_texts,
        write_id=write_ids,
        retry_of=st.none() | write_ids,
    )
)
def test_a_write_is_read_as_it_was_sent(write: Write) -> None:
    read = decode(write.write_id, encode(write))

    assert read == write
    assert encode_arguments(read) == encode_arguments(write)  # == takes 1, 1.0 and True for the same


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            write_ids,
            st.sampled_from(WriteStatus),
            st.integers(200, 599),
            st.none() | texts,
            results,
        )
    )
)
@example(
    [(True, 1, WriteStatus.COMMITTED, 200, "7", [-0.0, 5e-324, 1e16, 2**64 - 1, 1, 1.0, "\u2028\x00\x7f"])]
)
def test_outcomes_arrive_byte_for_byte_each_at_its_caller(found: list[Any]) -> None:
    listeners = {True: Listener(), False: Listener()}
    callers = [Caller() for _ in found]
    settled = []
    for number, (is_first, write_id, status, http_status, key, result) in enumerate(found):
        listener = listeners[is_first]
        listener.expect(number, callers[number])
        write = Write(function="f", arguments={}, token=new_token(), reply_to=f"{listener.process}:{number}")
        outcome = Outcome(
            write_id=write_id,
            status=status,
            http_status=http_status,
            etag=key and f"{key}-1",
            key=key,
            body=encode_result(result),
        )
        settled.append((write, outcome))
    channels = Channels()

    outcomes.announce(cast(redis.Redis, channels), settled, last_write_id=7)

    *messages, progress = channels.messages
    assert progress == (keys.progress(), "7")
    by_channel = {keys.outcomes(listener.process): listener for listener in listeners.values()}
    for channel, message in messages:
        by_channel[channel].hear(message)
    assert [caller.outcome for caller in callers] == [outcome for _, outcome in settled]
    assert not any(listener.waiting for listener in listeners.values())
