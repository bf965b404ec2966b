from typing import Any

from benchmarks.adoption.markdown import document
from tests.benchmarks.adoption.test_summary import sample

WAYS = {"defaults": "Django's defaults", "tuned": "Tuned", "store-lock": "The store lock"}


def results(*samples: dict[str, Any]) -> dict[str, Any]:
    machine = {"date": "today", "commit": "abc", "command": "c", "cpu": "x", "cores": "2"}
    site = {"package": "django-oscar", "version": "4.2.1", "samples": list(samples)}
    return {
        "machine": machine,
        "options": {"clients": 32, "threads": 32, "rounds": 3, "seconds": 60.0},
        "ways": WAYS,
        "sites": {"shop": site},
    }


def test_each_way_has_a_line_with_its_rate_against_the_tuned_one() -> None:
    lines = document(results(sample("tuned"), sample("store-lock", 97.0))).splitlines()

    assert (
        "| The store lock | 97.0 | 97.0-97.0 | 0.97x | 0.10 | 1.00 | 4.00 | 1,000 | 0 | 500 | 0 | 0 | 0 |"
        in lines
    )


def test_errors_are_told_by_kind_and_what_is_wrong_with_rows_by_example() -> None:
    broken = sample("defaults", server_errors=7, check={"lost": 1, "examples": ["page client1-1: None"]})

    text = document(results(broken))

    assert "7 5xx" in text
    assert "- defaults, round 1: page client1-1: None" in text


def test_the_figures_that_were_asked_for_are_reached_or_missed() -> None:
    text = document(results(sample("tuned"), sample("store-lock", 90.0, p99=0.5, longest=1.0)))

    assert "| rate against the tuned way | 0.90 | at least 0.95 | missed |" in text
    assert "| p99 against the tuned way | 0.50 | at most 0.65 | reached |" in text


def test_the_application_its_version_and_the_machine_are_named() -> None:
    text = document(results(sample("tuned")))

    assert "## shop: django-oscar 4.2.1" in text
    assert "today, commit abc: `c` on x, 2 cores. 32 clients" in text
