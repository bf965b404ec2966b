from pathlib import Path

import pytest

from benchmarks.adoption import load
from benchmarks.adoption.person import Journal
from benchmarks.adoption.sites import SITES
from benchmarks.adoption.ways import WAYS


def journal(*entries: tuple[str, int, float, bool, float]) -> Journal:
    return Journal(
        entries=[(what, "GET", status, spent, fine, over) for what, status, spent, fine, over in entries]
    )


def test_the_rate_is_of_successes_in_time_and_latencies_are_of_all() -> None:
    seen = load.summarize(
        journal(
            ("page", 200, 0.1, True, 101.0),
            ("page", 200, 0.2, True, 102.0),
            ("page", 500, 0.3, False, 103.0),
            ("page", 200, 9.0, True, 111.0),
            ("form", 0, 0.4, False, 104.0),
            ("form", 403, 0.1, False, 104.0),
        ),
        started=100.0,
        seconds=10.0,
    )

    assert seen["rate"] == 0.2
    assert (seen["server_errors"], seen["no_response"], seen["unexpected"]) == (1, 1, 1)
    assert (seen["requests"], seen["max"], seen["p99"], seen["p50"]) == (6, 9.0, 9.0, 0.2)
    assert seen["kinds"]["page"]["requests"] == 4
    assert (seen["kinds"]["form"]["errors"], seen["kinds"]["form"]["max"]) == (2, 0.4)


def test_a_run_that_measured_nothing_has_no_rate() -> None:
    assert load.summarize(Journal(), started=0.0, seconds=1.0)["rate"] == 0


@pytest.mark.parametrize("name", SITES)
def test_what_is_added_to_a_project_is_python(name: str) -> None:
    site = SITES[name]
    for text in (site.settings, site.urls, site.fill, *(way.lines for way in WAYS.values())):
        compile(text, name, "exec")


@pytest.mark.parametrize("name", SITES)
def test_every_kind_that_a_client_notes_is_looked_for(name: str) -> None:
    """A kind that no query finds would look lost, one that nobody notes would be looked for in vain."""
    root = Path(load.__file__).parent
    source = (root / "sites" / f"{name}_people.py").read_text()
    _, _, after = source.partition("ROWS = {")
    used = after.partition("\n}\n")[2]

    assert SITES[name].rows
    assert [kind for kind in SITES[name].rows if f'"{kind}"' not in used] == []


def test_the_way_with_write_functions_is_of_the_shop_alone() -> None:
    assert [name for name in SITES if WAYS["write-functions"].fits(name)] == ["shop"]
    assert all(WAYS[way].fits(name) for way in ("defaults", "tuned", "store-lock") for name in SITES)
