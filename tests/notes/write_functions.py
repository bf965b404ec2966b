"""Write functions named for what they do, as the tests need them."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, connection
from django.utils.translation import gettext_lazy

from tests.notes.models import Note, Topic
from workers import Result, Write, WriteRejected, write_function


@write_function("notes.add")
def add_note(write: Write) -> Result:
    data = write.arguments["data"]
    note = Note.objects.create(text=data["text"], topic_id=data.get("topic"))
    return Result(status=201, body={"id": note.pk, "text": note.text})


@write_function("notes.add_in_bulk")
def add_note_in_bulk(write: Write) -> Result:
    if write.arguments["text"] == "bad":
        raise WriteRejected(422, "bad_text", "This text is bad.")
    note = Note.objects.create(text=write.arguments["text"])
    return Result(status=201, body={"id": note.pk, "text": note.text})


@add_note_in_bulk.bulk
def add_notes_in_bulk(writes: Sequence[Write]) -> list[Result]:
    if any(write.arguments["text"] == "bad" for write in writes):
        raise ValueError("one of them is bad")
    notes = Note.objects.bulk_create(Note(text=write.arguments["text"]) for write in writes)
    return [Result(status=201, body={"id": note.pk, "text": note.text}) for note in notes]


@write_function("notes.bulk_returns_too_few")
def bulk_returns_too_few(write: Write) -> Result:
    return add_note_in_bulk(write)


@bulk_returns_too_few.bulk
def bulk_forgets_one(writes: Sequence[Write]) -> Sequence[Result]:
    return add_notes_in_bulk(writes)[:-1]


@write_function("notes.add_topic")
def add_topic(write: Write) -> Result:
    topic = Topic.objects.create(name=write.arguments["name"])
    return Result(status=201, body={"id": topic.pk})


@write_function("notes.add_topic_in_bulk")
def add_topic_in_bulk(write: Write) -> Result:
    return add_topic(write)


@add_topic_in_bulk.bulk
def add_topics_in_bulk(writes: Sequence[Write]) -> list[Result]:
    """Has effects already when the store refuses one of them."""
    return [add_topic(write) for write in writes]


@write_function("notes.add_to_missing_topic")
def add_to_missing_topic(write: Write) -> Result:
    """Violates a deferred constraint: only COMMIT notices."""
    note = Note.objects.create(topic_id=999_999, text="orphan")
    return Result(status=201, body={"id": note.pk})


@write_function("notes.add_then_reject")
def add_then_reject(write: Write) -> Result:
    Note.objects.create(text=write.arguments["text"])
    raise WriteRejected(409, "no_thanks", "Changed my mind.", fields={"text": ["Not this one."]})


@write_function("notes.add_then_raise")
def add_then_raise(write: Write) -> Result:
    Note.objects.create(text=write.arguments["text"])
    raise ZeroDivisionError("on purpose")


@write_function("notes.add_then_return_no_json")
def add_then_return_no_json(write: Write) -> Result:
    Note.objects.create(text=write.arguments["text"])
    return Result(body=object())


@write_function("notes.hang")
def hang(write: Write) -> Result:
    Note.objects.create(text="hanging")
    while True:
        pass


@write_function("notes.hang_and_swallow")
def hang_and_swallow(write: Write) -> Result:
    """Catches all that a careless function would, and goes on hanging in SQL."""
    Note.objects.create(text="hanging")
    for _ in range(3):
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
                )
        except Exception:
            continue
    return Result()


@write_function("notes.catch_conflict")
def catch_conflict(write: Write) -> Result:
    """Catches an error of the store without a savepoint of its own, as one must not."""
    Topic.objects.get_or_create(name="taken")
    with contextlib.suppress(IntegrityError):
        Topic.objects.create(name="taken")
    return Result(status=201, body={"id": 1})


@write_function("notes.reject_lazily")
def reject_lazily(write: Write) -> Result:
    raise WriteRejected(409, "lazy", gettext_lazy("Not now."))  # type: ignore[arg-type]  # as people do


@write_function("notes.raise_surrogates")
def raise_surrogates(write: Write) -> Result:
    raise ValueError("\ud800")


@write_function("notes.die")
def die(write: Write) -> Result:
    os._exit(9)


def texts() -> list[Any]:
    """Return the texts of all notes, in the order of their making."""
    return list(Note.objects.order_by("pk").values_list("text", flat=True))
