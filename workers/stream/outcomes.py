"""Outcomes on their way back: the writer announces them, each web process listens for its own.

One message per batch and process: a JSON array of `[number, write id, status, HTTP status, body, etag, key]`,
the body as a text that goes to the client as it is; after the key the page in base64, where there is one.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import redis

from workers.stream import keys
from workers.writes import Outcome, Write, WriteStatus


def announce(client: redis.Redis, settled: Iterable[tuple[Write, Outcome]], *, last_write_id: int) -> None:
    """Publish a batch's outcomes, to each web process only its own, and how far the writer has come."""
    messages: dict[str, list[Any]] = defaultdict(list)
    for write, outcome in settled:
        process, _, number = (write.reply_to or "").partition(":")
        if process and number.isdecimal():
            body = outcome.body.decode()
            told = (outcome.write_id, outcome.status, outcome.http_status, body, outcome.etag, outcome.key)
            page = [base64.b64encode(outcome.page).decode()] if outcome.page else []
            messages[process].append([int(number), *told, *page])
    pipeline = client.pipeline(transaction=False)
    for process, message in messages.items():
        pipeline.publish(keys.outcomes(process), orjson.dumps(message))
    pipeline.publish(keys.progress(), str(last_write_id))
    pipeline.execute()


def announced(message: bytes) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes of a message, each with the number of its write in the process that submitted it."""
    for number, write_id, status, http_status, body, etag, key, *page in orjson.loads(message):
        yield (
            number,
            Outcome(
                write_id=write_id,
                status=WriteStatus(status),
                http_status=http_status,
                etag=etag,
                key=key,
                body=body.encode(),
                page=base64.b64decode(page[0]) if page else b"",
            ),
        )
