"""import_...: each line is a row once, or is reported with its number and what is wrong with it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from items.models import Item
from tests.notebooks.management.commands import import_tags
from tests.notebooks.models import Note, Notebook, Tag
from tests.notebooks.views import TagSerializer
from tests.workers.transfer.conftest import Run
from workers.management.transfer import ImportCommand
from workers.models import Receipt
from workers.transfer import journal, sources
from workers.transfer.handing_over import SliceWrite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


def names() -> list[str]:
    return list(Item.objects.order_by("id").values_list("name", flat=True))


def reported(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_become_rows_in_their_order_in_slices_of_one_write_each(run: Run) -> None:
    said = run("import_items", "items.csv", "name\n" + "".join(f"item {n}\n" for n in range(450)))

    assert names() == [f"item {n}" for n in range(450)]
    assert Receipt.objects.filter(function="items.import").count() == 5
    assert said.startswith("450 lines: 450 created, 0 refused.")


def test_json_lines_are_taken_too_and_blank_ones_passed_by(run: Run) -> None:
    run("import_items", "items.jsonl", '{"name": "a"}\n\n  \n{"name": "ü"}')

    assert names() == ["a", "ü"]


@pytest.mark.parametrize("again", ["the same", "of another name", "gone on after a stop"])
def test_the_same_lines_are_taken_once(run: Run, again: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name\n" + "".join(f"item {n}\n" for n in range(450)) + "x" * 201 + "\n"
    if again == "gone on after a stop":

        def stop(self: SliceWrite, arguments: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(journal, "OUTSTANDING", 1)
            patch.setattr(ImportCommand, "slice_lines", 100)
            patch.setattr(SliceWrite, "hand_over", stop)
            with pytest.raises(
                CommandError, match=r"Interrupted: 0 lines are done\. Run the same command again"
            ):
                run("import_items", "items.csv", text)
    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_items", "items.csv", text)

    name = "other.csv" if again == "of another name" else "items.csv"
    with pytest.raises(CommandError, match=r"1 line was refused: .* says which, and why"):
        run("import_items", name, text)

    assert names() == [f"item {n}" for n in range(450)]


def test_a_label_takes_them_once_more(run: Run) -> None:
    for label in ("", "again", "again"):
        run("import_items", "items.csv", "name\na\n", label=label)

    assert names() == ["a", "a"]


def test_what_is_refused_is_reported_by_line_and_the_rest_is_taken(run: Run, tmp_path: Path) -> None:
    text = b'name\r\n"a\r\nb"\r\nfine\r\n\r\n"x\xff"\r\n  \r\none,two\r\nfi"ne\r\nlast\r\n'

    with pytest.raises(CommandError, match="4 lines were refused"):
        run("import_items", "items.csv", text)

    assert names() == ["fine", 'fi"ne', "last"]
    told = {one["line"]: one["errors"] for one in reported(tmp_path / "items.csv.refused.jsonl")}
    assert list(told) == [2, 6, 7, 8]
    assert told[2] == {"name": ["Control characters are not allowed."]}
    assert told[6] == {"non_field_errors": ["It is not UTF-8: invalid start byte, byte 3 of the line."]}
    assert told[7] == {"name": ["This field may not be blank."]}
    assert told[8] == {"non_field_errors": ["It has 2 cells, and the first line names 1 columns."]}


def test_the_report_may_be_csv(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"

    with pytest.raises(CommandError, match=r"report\.csv"):
        run("import_items", "items.jsonl", '{"name": ""}\n{"nme": "a"}\n[]\n{', report=report)

    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [(row["line"], row["field"]) for row in rows] == [
        ("1", "name"),
        ("2", "nme"),
        ("2", "name"),
        ("3", "non_field_errors"),
        ("4", "non_field_errors"),
    ]
    assert json.loads(rows[0]["data"]) == {"name": ""}


def test_a_report_of_before_is_gone_when_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run("import_items", "items.csv", "name\n\x07\n")
    run("import_items", "items.csv", "name\nfine\n")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv", "items.csv.journal"]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("nmae", "The column 'nmae' in the first line is no field. Fields are: id, name, "),
        ("id", "The column 'name' is missing in the first line."),
        ("name,name", "The column 'name' is in the first line twice."),
        ("", "The first line is empty."),
        ('na"me', "The column 'na\"me' in the first line is no field."),
    ],
)
def test_a_wrong_first_line_is_told_by_its_column_and_nothing_is_taken(
    run: Run, tmp_path: Path, first: str, said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        run("import_items", "items.csv", f"{first}\na\n")

    assert names() == []
    assert [path.name for path in tmp_path.iterdir()] == ["items.csv"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(run: Run) -> None:
    run("import_items", "items.csv", b"\xef\xbb\xbfname\na\n")
    run("import_items", "items.jsonl", b'\xef\xbb\xbf{"name": "b"}\n')

    assert names() == ["a", "b"]


def test_a_line_that_is_too_long_is_refused_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINE_MAX_BYTES", 100)

    with pytest.raises(CommandError, match="2 lines were refused"):
        run("import_items", "items.csv", f"name\n{'x' * 5000}\nfine\n{'x' * 101}")

    assert names() == ["fine"]
    assert [one["line"] for one in reported(tmp_path / "items.csv.refused.jsonl")] == [2, 4]


def test_a_dry_run_checks_all_lines_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_items", "items.csv", f"name\na\n{'x' * 201}\n", dry_run=True)
    said = run("import_items", "items.csv", "name\na\n", dry_run=True)

    assert said.startswith("1 line: 1 valid, 0 refused.")
    assert (names(), Receipt.objects.count()) == ([], 0)
    assert [path.name for path in tmp_path.iterdir()] == ["items.csv"]


def test_a_file_that_was_changed_between_two_runs_is_noticed_before_anything_is_taken_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"item {n}\n" for n in range(450)]
    hand_over, handed_over = SliceWrite.hand_over, []

    def twice(self: SliceWrite, arguments: Any) -> None:
        handed_over.append(self)
        if len(handed_over) == 3:
            raise KeyboardInterrupt
        hand_over(self, arguments)

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="Interrupted"):
        patch.setattr(SliceWrite, "hand_over", twice)
        run("import_items", "items.csv", "name\n" + "".join(lines))

    lines[150] = "changed\n"
    with pytest.raises(CommandError, match=r"The file has changed .* Lines 1 to 101 are as they were"):
        run("import_items", "items.csv", "name\n" + "".join(lines))

    assert names() == [f"item {n}" for n in range(200)]


class BrokenSerializer(TagSerializer):
    def validate(self, attrs: Any) -> Any:
        raise ZeroDivisionError


def test_a_serializer_that_raises_leaves_nothing_in_the_way_of_other_options(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(import_tags.Command, "serializer_class", BrokenSerializer)
        run("import_tags", "tags.csv", "name\na\nb\n")
    User.objects.create_superuser("ada")
    run("import_tags", "tags.csv", user="ada")

    assert list(Tag.objects.order_by("id").values_list("name", flat=True)) == ["a", "b"]


def test_a_slice_that_fails_stops_the_import_and_is_tried_again_by_the_next_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rows: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("items.write_functions._insert", broken)
        with pytest.raises(CommandError, match="Lines 2 to 3 were failed: write_failed") as stopped:
            run("import_items", "items.csv", "name\na\nb\n")
    assert "failed_writes --show" in str(stopped.value)
    run("import_items", "items.csv", "name\na\nb\n")

    assert names() == ["a", "b"]
    failed, retried = Receipt.objects.order_by("write_id")
    assert retried.retry_of == failed.write_id


def test_who_may_not_add_items_imports_none(run: Run) -> None:
    User.objects.create_user("eve")

    with pytest.raises(CommandError, match=r"rejected: permission_denied.*items\.add_item"):
        run("import_items", "items.csv", "name\na\n", user="eve")
    with pytest.raises(CommandError, match="There is no user 'adam'"):
        run("import_items", "items.csv", "name\na\n", user="adam")

    assert names() == []


def test_a_model_without_a_write_function_is_saved_by_its_serializer_and_what_is_unique_told_by_line(
    run: Run, tmp_path: Path
) -> None:
    Tag.objects.create(name="taken")
    text = "name\nnew\ntaken\nother\nnew\n"

    # The store tells it: asked before, what an earlier run has written would be in its own way.
    assert "4 valid" in run("import_tags", "tags.csv", text, dry_run=True)
    with pytest.raises(CommandError, match="2 lines were refused"):
        run("import_tags", "tags.csv", text)

    assert list(Tag.objects.order_by("id").values_list("name", flat=True)) == ["taken", "new", "other"]
    report = reported(tmp_path / "tags.csv.refused.jsonl")
    assert [(one["line"], list(one["errors"])) for one in report] == [(3, ["name"]), (5, ["name"])]


def test_an_empty_cell_is_nothing_where_the_field_takes_nothing_and_else_left_out(run: Run) -> None:
    owner = User.objects.create_user("ada")
    text = f"""owner,text,number,took,price,payload,is_locked
{owner.pk},a,,,,,
{owner.pk},b,7,01:00:00,1.5,"{{""x"": [1]}}",true
"""

    run("import_notes", "notes.csv", text)

    first, second = Note.objects.order_by("id")
    assert (first.number, first.took, first.price, first.payload, first.is_locked) == (
        0,
        None,
        None,
        None,
        False,
    )
    assert (second.number, str(second.took), str(second.price)) == (7, "1:00:00", "1.5000")
    assert (second.payload, second.is_locked) == ({"x": [1]}, True)


def test_a_field_with_the_current_user_has_the_user_who_imports(run: Run) -> None:
    ada = User.objects.create_user("ada")
    text = "title,slug\nA,a\nA,b\n"

    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_notebooks", "notebooks.csv", text, user="ada")

    assert [(one.owner, one.slug) for one in Notebook.objects.all()] == [(ada, "a")]


def test_a_field_with_the_current_user_has_nobody_where_the_program_imports(run: Run) -> None:
    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_notebooks", "notebooks.csv", "title,slug\nA,a\n")

    assert not Notebook.objects.exists()
