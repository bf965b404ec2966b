"""Each line is taken once, whatever happened to the file, its receipts and its failed slices since."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import override_settings

from items.models import Item
from tests.workers.transfer.conftest import Run
from workers.models import Receipt
from workers.operations import retries
from workers.store import receipts
from workers.transfer.errors import ImportStopped
from workers.transfer.handing_over import SliceWrite
from workers.transfer.journal import Journal
from workers.transfer.part_file import open_alone

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]

Interrupted = Callable[..., None]


def text_of(names: list[str]) -> str:
    return "name\n" + "".join(f"{name}\n" for name in names)


def taken() -> list[str]:
    return list(Item.objects.order_by("id").values_list("name", flat=True))


LINES = [f"item {number}" for number in range(450)]


@pytest.fixture
def interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    """Imports lines, and is stopped before a slice is handed over."""

    def call(before_slice: int, name: str = "items.csv") -> None:
        hand_over, seen = SliceWrite.hand_over, []

        def stop(self: SliceWrite, arguments: Any) -> None:
            seen.append(self)
            if len(seen) == before_slice:
                raise KeyboardInterrupt
            hand_over(self, arguments)

        with monkeypatch.context() as patch, pytest.raises(CommandError, match="Interrupted"):
            patch.setattr(SliceWrite, "hand_over", stop)
            run("import_items", name, text_of(LINES))

    return call


def test_a_slice_that_an_operator_has_retried_is_not_taken_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rows: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="were failed"):
        patch.setattr("items.write_functions._insert", broken)
        run("import_items", "items.csv", text_of(["a", "b"]))
    retries.retry(Receipt.objects.get(), retries.families())

    said = run("import_items", "items.csv")

    assert taken() == ["a", "b"]
    assert "2 lines: 0 created, 0 refused, 2 created before." in said


@pytest.mark.parametrize(
    ("changed", "as_they_were"),
    [
        ([*LINES, "more"], "Lines 1 to 401 are as they were"),
        ([*LINES[:50], "corrected", *LINES[51:]], "The file has changed since it was imported. Nothing"),
    ],
    ids=["grown", "corrected"],
)
def test_a_file_that_is_not_the_one_that_was_imported_is_refused_before_a_line_is_taken_twice(
    run: Run, changed: list[str], as_they_were: str
) -> None:
    run("import_items", "items.csv", text_of(LINES))

    with pytest.raises(CommandError, match=as_they_were) as refused:
        run("import_items", "items.csv", text_of(changed))

    assert "a file of its own" in str(refused.value)
    assert taken() == LINES
    run("import_items", "items.csv", text_of(changed), label="all of them")
    assert len(taken()) == len(LINES) + len(changed)


def test_a_file_that_has_grown_by_whole_slices_is_refused_too(run: Run) -> None:
    run("import_items", "items.csv", text_of(LINES[:400]))

    with pytest.raises(CommandError, match=r"has grown since it was imported\. Lines 1 to 401"):
        run("import_items", "items.csv", text_of(LINES))

    assert taken() == LINES[:400]


def test_what_was_all_refused_may_be_corrected_in_place(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="2 lines were refused"):
        run("import_items", "items.csv", text_of(["\x07", "\x08"]))

    run("import_items", "items.csv", text_of(["a", "b"]))

    assert taken() == ["a", "b"]


def test_a_file_that_is_imported_whole_is_not_taken_again_when_its_receipts_are_gone(run: Run) -> None:
    run("import_items", "items.csv", text_of(LINES))
    Receipt.objects.all().delete()

    said = run("import_items", "items.csv")

    assert taken() == LINES
    assert "450 lines: 0 created, 0 refused, 450 taken before, of which no receipt is kept." in said


def test_an_interrupted_import_whose_receipts_are_gone_passes_by_what_is_sure_and_asks_for_the_rest(
    run: Run, interrupted: Interrupted
) -> None:
    interrupted(before_slice=5)
    Receipt.objects.all().delete()

    with (
        override_settings(WRITE_RECEIPT_DAYS=0.0),
        pytest.raises(CommandError, match="Lines 202 to 301 were perhaps taken"),
    ):
        run("import_items", "items.csv")

    assert taken() == LINES[:400]


def test_what_was_noted_and_never_handed_over_is_taken_while_receipts_of_that_time_are_kept(
    run: Run, interrupted: Interrupted
) -> None:
    interrupted(before_slice=1)

    run("import_items", "items.csv")

    assert taken() == LINES


def test_two_imports_of_a_file_do_not_run_at_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "items.csv.journal"
    with (
        Journal(path, seed="other", is_kept=True),
        pytest.raises(CommandError, match="Another import of this file is at work"),
    ):
        run("import_items", "items.csv", text_of(["a"]))
    assert taken() == []


def test_a_journal_that_its_owner_has_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, seed="a", is_kept=False), pytest.raises(ImportStopped):
        Journal(path, seed="a", is_kept=True)
    assert not path.exists()

    with Journal(path, seed="a", is_kept=True):
        assert path.exists()


def test_a_line_that_a_kill_has_cut_off_is_written_over(
    run: Run, interrupted: Interrupted, tmp_path: Path
) -> None:
    interrupted(before_slice=3)
    with open_alone(tmp_path / "items.csv.journal", "a") as journal:
        journal.write("half a tok")

    run("import_items", "items.csv")

    assert taken() == LINES


def test_receipts_are_kept_since_a_moment_as_far_as_none_may_have_been_pruned(run: Run) -> None:

    now = time.time()
    assert receipts.are_kept_since(now)
    assert not receipts.are_kept_since(now - 31 * 86_400)
    run("import_items", "items.csv", text_of(["a"]))
    assert receipts.are_kept_since(time.time())
    with override_settings(WRITE_MAX_RECEIPTS=1):
        assert not receipts.are_kept_since(now - 60)
