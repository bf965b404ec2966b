from typing import Any

from benchmarks.report.markdown import comparison, document, table
from tests.benchmarks.test_reach import figures
from tests.benchmarks.test_summary import sample

CONTESTANTS = {
    name: {"label": name.upper(), "durability": "durable"}
    for name in dict.fromkeys(one["contestant"] for one in figures()["table"])
}


def results() -> dict[str, Any]:
    return {
        "machine": {
            "date": "today",
            "commit": "abc",
            "command": "c",
            "cpu": "x",
            "cores": "2",
            "load driver": "wrk",
        },
        "options": {"rounds": 5, "seconds": 4.0},
        "contestants": CONTESTANTS,
        "skipped": {"datasette": "not\ninstalled"},
        "figures": figures(),
    }


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_each_contestant_is_compared_with_the_tuned_direct_way() -> None:
    samples = [sample(1_000, contestant="direct-full"), sample(2_500), sample(2_700), sample(2_600)]

    lines = comparison(samples, CONTESTANTS).splitlines()

    assert lines[3] == "| ONE-WRITER | 2,600 | 2,500-2,700 | 2.60x | 10.0 | 50.0 | 100 | 0 | 0 | durable |"


def test_a_contestant_whose_rows_are_missing_has_no_rate() -> None:
    text = comparison([sample(9_999, fault="2 of 9 rows are missing")], CONTESTANTS)

    assert "invalid" in text and "2 of 9 rows are missing" in text
    assert "9,999" not in text


def test_the_document_tells_the_machine_the_command_and_what_was_left_out() -> None:
    text = document(results(), ["rate.svg"])

    assert "`c` on x, 2 cores. 5 interleaved rounds of 4 s each" in text
    assert "- datasette: not installed" in text
    assert "(rate.svg)" in text
    assert "| waiting 201 against direct-full | 5.00x | 3.50x | 5.00x | aim reached |" in text


def test_a_run_that_measured_nothing_is_a_document_too() -> None:
    assert "not measured" in document(results() | {"figures": {}}, [])
