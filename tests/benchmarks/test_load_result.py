import json
from typing import Any

import pytest

from benchmarks.load.asyncio_driver import bucket_of
from benchmarks.load.request import Request
from benchmarks.load.result import NotUnderstood, parse

RAW: dict[str, Any] = {
    "requests": 10,
    "seconds": 2.0,
    "measured": 9,
    "slow": 2,
    "unanswered": 1,
    "mean": 5_000,
    "p50": 4_000,
    "p90": 8_000,
    "p99": 9_000,
    "p999": 9_500,
    "max": 2_500_000,
    "connect": 1,
    "read": 2,
    "write": 3,
    "statuses": {"201": 8, "500": 2},
    "examples": {"500": "oops"},
    "histogram": {"180": 9},
}


def printed(**changes: Any) -> str:
    return f"Running 2s test\n  2 threads\nRESULT {json.dumps(RAW | changes)}\n"


def test_what_wrk_prints_is_read_into_seconds_and_numbers() -> None:
    result = parse(printed())

    assert result.statuses == {201: 8, 500: 2}
    assert (result.p50, result.p99, result.max) == (0.004, 0.009, 2.5)
    assert result.histogram == {180: 9}
    assert result.examples == {500: "oops"}


def test_responses_with_another_status_and_broken_connections_are_errors() -> None:
    result = parse(printed())

    assert result.successes(201) == 8
    assert result.errors(201) == 2 + 6
    assert result.errors(202) == 10 + 6


def test_slow_responses_and_those_that_did_not_come_are_time_outs() -> None:
    assert parse(printed()).timeouts == 2 + 1


def test_without_any_response_there_is_a_result_all_the_same() -> None:
    nothing = printed(requests=0, measured=0, unanswered=0, statuses={}, histogram={})

    assert parse(nothing).requests == 0


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("unable to connect to 127.0.0.1:8000 Connection refused\n", "Connection refused"),
        (printed(statuses={"201": 9}), "10 answers, the script 9"),
        (printed(measured=5), "5 of 10 answers"),
    ],
)
def test_output_that_does_not_add_up_is_refused(output: str, words: str) -> None:
    with pytest.raises(NotUnderstood, match=words):
        parse(output)


def test_the_body_holds_each_name_where_the_contestant_wants_it() -> None:
    single = Request(port=1, path="/")
    bulk = Request(port=1, path="/", items=2, before='{"items": [', after="]}")

    assert json.loads(single.body(["a"])) == {"name": "a"}
    assert json.loads(bulk.body(["a", "b"])) == {"items": [{"name": "a"}, {"name": "b"}]}


def test_buckets_are_those_of_the_wrk_script() -> None:
    # math.floor(math.log10(microseconds) * 50) in wrk.lua
    assert [bucket_of(seconds) for seconds in (1e-6, 0.001, 0.1, 10.0)] == [0, 150, 250, 350]
