"""What becomes of each write of a batch, and of its neighbours."""

import logging
from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from tests.jottings.models import Jotting, Topic
from tests.jottings.write_functions import texts
from workers.models import Receipt
from workers.writer import commit
from workers.writes import Outcome, Write, WriteStatus, new_token

pytestmark = pytest.mark.django_db(transaction=True)

_ids = iter(range(1, 1_000_000))


def write(function: str, **arguments: object) -> Write:
    return Write(function=function, arguments=arguments, token=new_token(), write_id=next(_ids))


def add(text: str) -> Write:
    return write("jottings.add", data={"text": text})


def outcomes(writes: list[Write]) -> list[Outcome]:
    return [outcome for _, outcome in commit.commit_batch(writes)]


def test_each_write_of_a_batch_takes_effect_in_order_with_a_receipt_each() -> None:
    writes = [add("a"), add("b"), add("c")]

    got = outcomes(writes)

    assert texts() == ["a", "b", "c"]
    assert [outcome.status for outcome in got] == [WriteStatus.COMMITTED] * 3
    assert [outcome.json()["text"] for outcome in got] == ["a", "b", "c"]
    assert list(Receipt.objects.order_by("write_id").values_list("write_id", flat=True)) == [
        write.write_id for write in writes
    ]


def test_a_rejected_write_is_undone_alone_and_says_why() -> None:
    got = outcomes([add("a"), write("jottings.add_then_reject", text="x"), add("b")])

    assert texts() == ["a", "b"]
    assert [outcome.status for outcome in got] == [
        WriteStatus.COMMITTED,
        WriteStatus.REJECTED,
        WriteStatus.COMMITTED,
    ]
    assert got[1].http_status == 409
    assert got[1].json() == {
        "code": "no_thanks",
        "detail": "Changed my mind.",
        "fields": {"text": ["Not this one."]},
    }


def test_a_write_whose_function_raises_is_undone_alone_and_keeps_its_traceback() -> None:
    got = outcomes([add("a"), write("jottings.add_then_raise", text="x"), add("b")])

    assert texts() == ["a", "b"]
    assert (got[1].status, got[1].http_status, got[1].json()["code"]) == (
        WriteStatus.FAILED,
        500,
        "write_failed",
    )
    assert b"ZeroDivisionError" not in got[1].body
    assert "ZeroDivisionError: on purpose" in Receipt.objects.get(status=WriteStatus.FAILED).traceback


def test_a_result_that_is_not_json_undoes_its_write() -> None:
    got = outcomes([write("jottings.add_then_return_no_json", text="x"), add("a")])

    assert texts() == ["a"]
    assert got[0].status is WriteStatus.FAILED


def test_an_unknown_write_function_fails_its_write_and_names_it() -> None:
    got = outcomes([add("a"), write("jottings.unheard_of"), add("b")])

    assert texts() == ["a", "b"]
    assert (got[1].status, got[1].json()["code"]) == (WriteStatus.FAILED, "unknown_write_function")
    assert "jottings.unheard_of" in got[1].json()["detail"]


def test_an_error_of_the_store_that_a_function_swallows_fails_its_write() -> None:
    got = outcomes([add("a"), write("jottings.catch_conflict"), add("b")])

    assert texts() == ["a", "b"]
    assert got[1].status is WriteStatus.FAILED
    assert "transaction.atomic()" in Receipt.objects.get(status=WriteStatus.FAILED).traceback


def test_a_lazy_text_and_one_that_cannot_be_encoded_are_outcomes_like_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)  # pytest-xdist cannot pass on a report with a lone surrogate
    got = outcomes([add("a"), write("jottings.reject_lazily"), write("jottings.raise_surrogates"), add("b")])

    assert texts() == ["a", "b"]
    assert [outcome.status for outcome in got[1:3]] == [WriteStatus.REJECTED, WriteStatus.FAILED]
    assert got[1].json()["detail"] == "Not now."


def test_an_id_that_is_given_a_second_time_costs_neither_write() -> None:
    first = add("a")
    same_id = Write(
        function=first.function,
        arguments={"data": {"text": "b"}},
        token=new_token(),
        write_id=first.write_id,
    )
    outcomes([first])

    [outcome] = outcomes([same_id])

    assert texts() == ["a", "b"]
    assert outcome.status is WriteStatus.COMMITTED
    assert outcome.write_id > first.write_id


def test_a_write_that_is_set_aside_is_not_applied_under_another_id_either() -> None:
    first = add("a")
    poison = replace(add("poison"), write_id=first.write_id)
    outcomes([first])

    [(_, outcome)] = commit.commit_batch([poison], set_aside=lambda write: write == poison)

    assert texts() == ["a"]
    assert (outcome.status, outcome.json()["code"]) == (WriteStatus.FAILED, "write_killed_writer")


def test_a_unique_constraint_rejects_the_second_of_two_equal_writes() -> None:
    got = outcomes([write("jottings.add_topic", name="t"), write("jottings.add_topic", name="t")])

    assert Topic.objects.count() == 1
    assert [(outcome.status, outcome.http_status) for outcome in got] == [
        (WriteStatus.COMMITTED, 201),
        (WriteStatus.REJECTED, 409),
    ]
    assert got[1].json()["code"] == "conflict"


def test_a_constraint_that_only_commit_checks_rejects_its_write_and_no_other() -> None:
    got = outcomes([add("a"), write("jottings.add_to_missing_topic"), add("b")])

    assert texts() == ["a", "b"]
    assert [outcome.status for outcome in got] == [
        WriteStatus.COMMITTED,
        WriteStatus.REJECTED,
        WriteStatus.COMMITTED,
    ]
    assert Receipt.objects.count() == 3


def test_a_deferred_constraint_that_a_neighbour_fulfils_in_time_rejects_nothing() -> None:
    missing = Topic.objects.create(name="last").pk + 1
    early = write("jottings.add", data={"text": "early", "topic": missing})
    again = replace(early, token=new_token(), write_id=next(_ids))

    [alone] = outcomes([early])
    together = outcomes([again, write("jottings.add_topic", name="missing")])

    assert alone.http_status == 409
    assert [outcome.http_status for outcome in together] == [201, 201]


def test_a_write_sent_again_takes_no_effect_again_and_gets_the_first_outcome() -> None:
    first = add("a")
    [one] = outcomes([first])

    [two] = outcomes([first])

    assert texts() == ["a"]
    assert two == one


def test_a_token_twice_in_one_batch_takes_effect_once() -> None:
    first = add("a")
    again = Write(function=first.function, arguments=first.arguments, token=first.token, write_id=next(_ids))

    one, two = outcomes([first, again])

    assert texts() == ["a"]
    assert one == two
    assert one.write_id == first.write_id


def test_a_rejection_is_final_too() -> None:
    first = write("jottings.add_then_reject", text="x")
    [one] = outcomes([first])

    assert outcomes([first]) == [one]


def test_a_token_with_another_fingerprint_is_refused_and_keeps_the_first_receipt() -> None:
    token = new_token()
    first = Write(
        function="jottings.add",
        arguments={"data": {"text": "a"}},
        token=token,
        fingerprint="f1",
        write_id=next(_ids),
    )
    other = Write(
        function="jottings.add",
        arguments={"data": {"text": "b"}},
        token=token,
        fingerprint="f2",
        write_id=next(_ids),
    )

    one, two = outcomes([first, other])

    assert texts() == ["a"]
    assert one.status is WriteStatus.COMMITTED
    assert (two.status, two.http_status, two.json()["code"]) == (
        WriteStatus.REJECTED,
        422,
        "idempotency_key_reused",
    )
    assert Receipt.objects.count() == 1


def test_the_bulk_form_is_used_for_a_run_of_one_kind() -> None:
    with CaptureQueriesContext(connection) as queries:
        got = outcomes([write("jottings.add_in_bulk", text=text) for text in "abc"])

    assert texts() == ["a", "b", "c"]
    assert [outcome.json()["text"] for outcome in got] == ["a", "b", "c"]
    assert sum('INSERT INTO "jottings_jotting"' in query["sql"] for query in queries) == 1


def test_a_bad_write_in_a_bulk_run_gets_its_own_verdict() -> None:
    got = outcomes([write("jottings.add_in_bulk", text=text) for text in ["a", "bad", "c"]])

    assert texts() == ["a", "c"]
    assert [outcome.status for outcome in got] == [
        WriteStatus.COMMITTED,
        WriteStatus.REJECTED,
        WriteStatus.COMMITTED,
    ]
    assert got[1].json()["code"] == "bad_text"


def test_a_bulk_form_that_returns_too_few_results_is_undone_and_not_trusted() -> None:
    got = outcomes([write("jottings.bulk_returns_too_few", text=text) for text in "ab"])

    assert texts() == ["a", "b"]
    assert [outcome.json()["text"] for outcome in got] == ["a", "b"]


def test_order_is_kept_between_kinds() -> None:
    outcomes(
        [
            write("jottings.add_in_bulk", text="a"),
            write("jottings.add_in_bulk", text="b"),
            add("c"),
            write("jottings.add_in_bulk", text="d"),
        ]
    )

    assert texts() == ["a", "b", "c", "d"]


@pytest.mark.sqlite
def test_a_store_that_cannot_commit_leaves_no_effect_and_no_receipt() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no free pages are left from other tests
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")  # the disk is full
    try:
        with pytest.raises(OperationalError):
            commit.commit_batch([write("jottings.add", data={"text": "x" * 200}) for _ in range(500)])
        assert Jotting.objects.count() == 0
        assert Receipt.objects.count() == 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")


def test_the_log_tells_each_outcome_once_and_only_when_it_is_durable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raising, orphan = write("jottings.add_then_raise", text="x"), write("jottings.add_to_missing_topic")
    rejected = write("jottings.add_then_reject", text="x")
    added = add("a")
    with caplog.at_level(logging.DEBUG, "workers.writer"):
        outcomes([raising, rejected, added, orphan])  # COMMIT refuses the batch: each is applied twice

    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("write=")]
    assert [line.split(" error=")[0] for line in told] == [
        f"write={raising.write_id} state=failed function=jottings.add_then_raise",
        f"write={rejected.write_id} state=rejected function=jottings.add_then_reject code=no_thanks",
        f"write={added.write_id} state=committed function=jottings.add",
        f"write={orphan.write_id} state=rejected function=jottings.add_to_missing_topic code=conflict",
    ]
    assert "ZeroDivisionError: on purpose" in caplog.text


def test_a_write_that_is_set_aside_and_was_sent_again_has_the_id_of_the_first() -> None:
    first = add("a")
    again = replace(first, write_id=first.write_id + 1)

    settled = commit.commit_batch([first, again], set_aside=lambda write: True)

    assert [outcome.write_id for _, outcome in settled] == [first.write_id] * 2
    assert Receipt.objects.get().pk == first.write_id
