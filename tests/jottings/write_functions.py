"""Write functions named for what they do, as the tests need them."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy

from tests.jottings import tasks
from tests.jottings.models import Jotting, Measurement, Topic
from workers import Result, Write, WriteRejected, submit, write_function


@write_function("jottings.add")
def add_jotting(write: Write) -> Result:
    data = write.arguments["data"]
    jotting = Jotting.objects.create(text=data["text"], topic_id=data.get("topic"))
    return Result(http_status=201, body={"id": jotting.pk, "text": jotting.text})


@write_function("jottings.add_in_bulk")
def add_jotting_in_bulk(write: Write) -> Result:
    if write.arguments["text"] == "bad":
        raise WriteRejected(422, "bad_text", "This text is bad.")
    jotting = Jotting.objects.create(text=write.arguments["text"])
    return Result(http_status=201, body={"id": jotting.pk, "text": jotting.text})


@add_jotting_in_bulk.bulk
def add_jottings_in_bulk(writes: Sequence[Write]) -> list[Result]:
    if any(write.arguments["text"] == "bad" for write in writes):
        raise ValueError("one of them is bad")
    jottings = Jotting.objects.bulk_create(Jotting(text=write.arguments["text"]) for write in writes)
    return [Result(http_status=201, body={"id": jotting.pk, "text": jotting.text}) for jotting in jottings]


@write_function("jottings.bulk_returns_too_few")
def bulk_returns_too_few(write: Write) -> Result:
    return add_jotting_in_bulk(write)


@bulk_returns_too_few.bulk
def bulk_forgets_one(writes: Sequence[Write]) -> Sequence[Result]:
    return add_jottings_in_bulk(writes)[:-1]


@write_function("jottings.add_topic")
def add_topic(write: Write) -> Result:
    topic = Topic.objects.create(name=write.arguments["name"])
    return Result(http_status=201, body={"id": topic.pk})


@write_function("jottings.add_topic_in_bulk")
def add_topic_in_bulk(write: Write) -> Result:
    return add_topic(write)


@add_topic_in_bulk.bulk
def add_topics_in_bulk(writes: Sequence[Write]) -> list[Result]:
    """Has effects already when the store refuses one of them."""
    return [add_topic(write) for write in writes]


@write_function("jottings.add_to_missing_topic")
def add_to_missing_topic(write: Write) -> Result:
    """Violates a deferred constraint: only COMMIT notices."""
    jotting = Jotting.objects.create(topic_id=999_999, text="orphan")
    return Result(http_status=201, body={"id": jotting.pk})


@write_function("jottings.add_then_reject")
def add_then_reject(write: Write) -> Result:
    Jotting.objects.create(text=write.arguments["text"])
    raise WriteRejected(409, "no_thanks", "Changed my mind.", fields={"text": ["Not this one."]})


@write_function("jottings.add_then_raise")
def add_then_raise(write: Write) -> Result:
    Jotting.objects.create(text=write.arguments["text"])
    raise ZeroDivisionError("on purpose")


@write_function("jottings.add_then_return_no_json")
def add_then_return_no_json(write: Write) -> Result:
    Jotting.objects.create(text=write.arguments["text"])
    return Result(body=object())


@write_function("jottings.hang")
def hang(write: Write) -> Result:
    Jotting.objects.create(text="hanging")
    while True:
        pass


@write_function("jottings.hang_and_swallow")
def hang_and_swallow(write: Write) -> Result:
    """Catches all that a careless function would, and goes on hanging in SQL."""
    Jotting.objects.create(text="hanging")
    for _ in range(3):
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
                )
        except Exception:
            continue
    return Result()


@write_function("jottings.catch_conflict")
def catch_conflict(write: Write) -> Result:
    """Catches an error of the store without a savepoint of its own, as one must not."""
    Topic.objects.get_or_create(name="taken")
    with contextlib.suppress(IntegrityError):
        Topic.objects.create(name="taken")
    return Result(http_status=201, body={"id": 1})


@write_function("jottings.reject_lazily")
def reject_lazily(write: Write) -> Result:
    raise WriteRejected(409, "lazy", gettext_lazy("Not now."))  # type: ignore[arg-type]  # as people do


@write_function("jottings.raise_surrogates")
def raise_surrogates(write: Write) -> Result:
    raise ValueError("\ud800")


@write_function("jottings.die")
def die(write: Write) -> Result:
    os._exit(9)


@write_function("jottings.measure")
def measure(write: Write) -> Result:
    """Does what README.md shows: what was validated is what the model is made of."""
    data = dict(write.arguments["data"])
    measurement = Measurement.objects.create(topic_id=data.pop("topic", None), **data)
    return Result(http_status=201, body=shown(measurement))


@write_function("jottings.correct")
def correct(write: Write) -> Result:
    measurement = get_object_or_404(Measurement, pk=write.arguments["id"])
    for name, value in write.arguments["data"].items():
        setattr(measurement, "topic_id" if name == "topic" else name, value)
    measurement.save()
    return Result(body=shown(measurement))


@write_function("jottings.forget")
def forget(write: Write) -> Result:
    get_object_or_404(Measurement, pk=write.arguments["id"]).delete()
    return Result(http_status=204)


def shown(measurement: Measurement) -> dict[str, Any]:
    return {field.name: field.value_from_object(measurement) for field in measurement._meta.concrete_fields}


def texts() -> list[Any]:
    """Return the texts of all jottings, in the order of their making."""
    return list(Jotting.objects.order_by("pk").values_list("text", flat=True))


@write_function("jottings.add_and_tell")
def add_and_tell(write: Write) -> Result:
    """Send a task of this app once the jotting is committed, unless it is rejected."""
    directory, text = write.arguments["directory"], write.arguments["text"]
    Jotting.objects.create(text=text)
    transaction.on_commit(lambda: tasks.look.delay(directory, text))
    if text == "rejected":
        raise WriteRejected(409, "no_thanks", "Not this one.")
    return Result()


@write_function("jottings.wait_for_another")
def wait_for_another(write: Write) -> Result:
    outcome = submit("jottings.add", {"data": {"text": "handed over by the writer"}}).wait(600)
    return Result(body={"is_known": outcome is not None})
