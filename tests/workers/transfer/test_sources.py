"""What is in a file that nobody would write: each record is refused alone, or reading ends where it must."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from items.models import Item
from tests.notebooks.models import Note
from tests.workers.transfer.conftest import Run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


def taken() -> list[str]:
    return list(Item.objects.order_by("id").values_list("name", flat=True))


@pytest.mark.parametrize(
    "line",
    ["5", "null", "true", '"text"', "[]", '{"name": 12345678901234567890123}', '{"name": 1e400}', "[" * 200],
)
def test_a_line_of_other_json_than_the_serializer_takes_is_refused_alone(
    run: Run, tmp_path: Path, line: str
) -> None:
    for _ in range(2):
        with pytest.raises(CommandError, match=r"1 line was refused"):
            run("import_items", "items.jsonl", f'{{"name": "a"}}\n{line}\n{{"name": "b"}}\n')

    assert taken() == ["a", "b"]
    [told] = map(json.loads, (tmp_path / "items.jsonl.refused.jsonl").read_text().splitlines())
    assert told["line"] == 2


def test_the_report_has_the_digits_of_the_file(run: Run, tmp_path: Path) -> None:
    number = "12345678901234567890123"
    for name in ("report.csv", "report.jsonl"):
        with pytest.raises(CommandError):
            run("import_items", "items.jsonl", f'{{"name": {number}}}\n', report=tmp_path / name)
        assert number in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    "cell",
    ['"no end\n', '"' + "line\n" * 300_000 + '"\n'],
    ids=["a missing quote", "longer than a cell may be"],
)
def test_where_a_cell_has_no_end_nothing_more_is_taken_and_the_corrected_file_goes_on(
    run: Run, cell: str
) -> None:
    before = "name\n" + "".join(f"item {number}\n" for number in range(150))
    after = "".join(f"after {number}\n" for number in range(50))

    with pytest.raises(CommandError, match=r"Line 152: a cell that begins there has no end"):
        run("import_items", "items.csv", before + cell + after)
    assert taken() == [f"item {number}" for number in range(100)]
    run("import_items", "items.csv", before + after)

    assert taken() == [f"item {number}" for number in range(150)] + [f"after {n}" for n in range(50)]


def test_a_cell_may_have_many_lines(run: Run) -> None:
    owner = User.objects.create_user("ada")
    text = "a line\n" * 30_000  # more than Python's csv takes by itself
    run("import_notes", "notes.csv", f'owner,text,payload\n{owner.pk},a,"{text}"\n')

    assert Note.objects.get().payload == text


def test_other_separators_than_the_comma_are_told(run: Run) -> None:
    with pytest.raises(CommandError, match="Are the columns parted by commas"):
        run("import_items", "items.csv", "name;version\na;1\n")


VALUES: list[Any] = ["123", "true", "null", "", '{"a"', 2**64 - 1, 0.1, [1, "1"], {"a": None}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_json_comes_back_from_a_cell_as_it_was(run: Run, value: Any) -> None:
    owner = User.objects.create_user("ada")
    Note.objects.create(owner=owner, text="a", payload=value)
    run("export_notes", "notes.csv")
    Note.objects.all().delete()

    run("import_notes", "notes.csv", verbatim=True)

    assert (Note.objects.get().payload, type(Note.objects.get().payload)) == (value, type(value))


def test_json_in_a_cell_that_is_nested_too_deep_is_refused(run: Run, tmp_path: Path) -> None:
    owner = User.objects.create_user("ada")
    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_notes", "notes.csv", f"owner,text,payload\n{owner.pk},a,{'[' * 101}{']' * 101}\n")

    assert "nested deeper than 100" in (tmp_path / "notes.csv.refused.jsonl").read_text()
