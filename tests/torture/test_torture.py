"""A short torture of the real service, and one of a service with its receipt check broken on purpose."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.torture import report
from tests.torture.run import torture

pytestmark = [pytest.mark.xdist_group("torture"), pytest.mark.timeout(200)]

SEED = "a part of make test"


def test_a_tortured_service_loses_doubles_and_reorders_nothing(tmp_path: Path) -> None:
    run = torture(tmp_path, seconds=38, at_least=16, at_most_seconds=110, seed=SEED)

    sys.stdout.write(report.describe(run) + "\n")
    assert run.violations == [], report.describe(run)
    assert len(run.faults) >= 15, report.describe(run)
    assert run.deaths == []
    assert Counter(str(sent.verdict) for sent in run.history.writes)["committed"] > 100


def test_a_writer_that_forgets_its_receipts_is_caught(tmp_path: Path) -> None:
    run = torture(
        tmp_path,
        seconds=0,
        at_least=6,
        at_most_seconds=60,
        seed=SEED,
        count=2,
        only=("kill writer at a moment",),
        TORTURE_BREAK_RECEIPTS="1",
    )

    # A second create is "duplicate", a second update a "version gap"; one whose condition no longer holds
    # is refused, though the first was committed. Which of them it was is chance.
    found = {violation.kind for violation in run.violations}
    assert found & {"duplicate", "version gap", "applied though refused"}, report.describe(run)
