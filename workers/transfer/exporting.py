"""An export: the rows of one snapshot, one after the other, in constant memory."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from typing import Any, BinaryIO

from django.db import connection
from django.db.models import QuerySet
from rest_framework.serializers import Serializer

from workers.encoding.exact_json import from_json, to_json
from workers.transfer.cells import Write, writers_of

ROWS_AT_ONCE = 1_000


@contextmanager
def snapshot() -> Iterator[None]:
    """Read what is committed at this moment, whatever is committed in the block. Keeps nobody from writing.

    On PostgreSQL that goes for one query: what a queryset prefetches is newer.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    connection.ensure_connection()
    # Past Django's cursor, which would take the store lock before a BEGIN.
    raw = connection.connection
    raw.execute("BEGIN")
    try:
        yield
    finally:
        raw.execute("ROLLBACK")


def export(
    queryset: QuerySet,
    serializer: Serializer,
    file: BinaryIO,
    *,
    as_csv: bool,
    on_progress: Callable[[int], None],
) -> int:
    """Write all rows, with the fields that the serializer shows; return how many.

    Raises OSError and django.db.Error. Each is as the API shows it: JSON, or cells of what JSON has.
    """
    writers = writers_of(serializer.fields)
    write = _as_csv(writers) if as_csv else _as_json
    if as_csv:
        file.write(_cells(writers))
    count = 0
    for instance in queryset.iterator(chunk_size=ROWS_AT_ONCE):
        file.write(write(serializer.to_representation(instance)))
        count += 1
        if count % ROWS_AT_ONCE == 0:
            on_progress(count)
    on_progress(count)
    return count


def _as_json(shown: Mapping[str, Any]) -> bytes:
    return to_json(shown) + b"\n"


def _as_csv(writers: Mapping[str, Write]) -> Callable[[Mapping[str, Any]], bytes]:
    def write(shown: Mapping[str, Any]) -> bytes:
        values = from_json(to_json(shown))  # what a client would see, with all digits of its numbers
        return _cells(write_cell(values.get(name)) for name, write_cell in writers.items())

    return write


def _cells(row: Iterable[str]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerow(row)
    return text.getvalue().encode()
