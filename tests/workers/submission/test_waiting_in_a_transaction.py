"""Who waits for the writer within a transaction. Of requests: workers/store/test_request_transaction.py."""

from django.db import transaction

from tests.answering import Answered
from tests.jottings.models import Jotting
from workers import Outcome, submit
from workers.writer.loop import Writer


def submitted() -> Outcome | None:
    return submit("jottings.add", {"data": {"text": "a"}}).wait(600)


def texts() -> list[str]:
    return list(Jotting.objects.order_by("pk").values_list("text", flat=True))


def test_a_program_is_told_at_once_that_its_own_transaction_is_in_the_way(
    answered: Answered, writer: Writer
) -> None:
    def work() -> Outcome | None:
        with transaction.atomic():
            Jotting.objects.count()
            return submitted()

    assert answered(work) is None
    writer.drain()
    assert texts() == ["a"]


def test_outside_of_it_the_outcome_comes(answered: Answered) -> None:
    def work() -> Outcome | None:
        with transaction.atomic():
            Jotting.objects.create(text="own")
        return submitted()

    outcome = answered(work)

    assert outcome and outcome.http_status == 201
    assert texts() == ["own", "a"]


def test_the_writer_does_not_wait_for_itself(answered: Answered, writer: Writer) -> None:
    outcome = answered(lambda: submit("jottings.wait_for_another", {}).wait(20))

    assert outcome is not None and outcome.json() == {"is_known": False}
    writer.drain()
    assert texts() == ["handed over by the writer"]
