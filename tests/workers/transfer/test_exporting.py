"""export_...: all rows of one moment, which import_... makes again."""

import io
import json
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from items.models import Item
from tests.chosen_keys import create_with_key
from tests.notebooks.management.commands import export_notes, import_notes
from tests.notebooks.models import Line, Note, Tag
from tests.notebooks.views import NoteSerializer
from tests.workers.transfer.conftest import Run
from workers.transfer import exporting

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_what_was_exported_is_imported_verbatim_and_exported_again_the_same(
    run: Run, tmp_path: Path, name: str
) -> None:
    for text in ("plain", 'a "b", c', "'=1+1", "ü; 世"):
        Item.objects.create(name=text)
    Item.objects.get(name="plain").save()
    Item.objects.filter(name="ü; 世").update(id=2**40)
    run("export_items", name)
    exported = (tmp_path / name).read_bytes()
    Item.objects.all().delete()

    run("import_items", name, verbatim=True)
    run("export_items", f"again-{name}")

    assert (tmp_path / f"again-{name}").read_bytes() == exported
    assert Item.objects.get(name="plain").version == 2
    last = max(Item.objects.values_list("pk", flat=True))
    assert Item.objects.create(name="after").pk > last  # beyond the keys that were given


@pytest.mark.parametrize("name", ["notes.csv", "notes.jsonl"])
def test_values_of_all_types_come_back(run: Run, tmp_path: Path, name: str) -> None:
    owner = User.objects.create_user("ada")
    Note.objects.create(owner=owner, text="empty")
    Note.objects.create(
        owner=owner,
        text="full",
        number=3,
        took=timedelta(days=2, microseconds=5),
        price=Decimal("12.3400"),
        payload={"a": [None, True, "x"]},
        is_locked=True,
    )
    run("export_notes", name)
    before = list(Note.objects.order_by("id").values())
    Note.objects.all().delete()

    run("import_notes", name, verbatim=True)

    assert list(Note.objects.order_by("id").values()) == before


def test_without_verbatim_what_is_only_read_is_left_out(run: Run) -> None:
    create_with_key(Tag, 70, name="a")
    run("export_tags", "tags.csv")
    Tag.objects.all().delete()

    run("import_tags", "tags.csv")

    assert Tag.objects.get().pk != 70


def test_verbatim_a_key_that_is_taken_is_told(run: Run, tmp_path: Path) -> None:
    create_with_key(Tag, 70, name="a")
    run("export_tags", "tags.jsonl")

    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_tags", "tags.jsonl", verbatim=True)

    assert json.loads((tmp_path / "tags.jsonl.refused.jsonl").read_text())["line"] == 1


def test_a_field_that_is_no_column_is_not_taken_verbatim(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_notes.Command, "serializer_class", NoteSerializer)

    with pytest.raises(CommandError, match="The field lines is no column"):
        run("import_notes", "notes.jsonl", "", verbatim=True)


def test_an_export_goes_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    Tag.objects.create(name="a")
    output = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", output)

    call_command("export_tags", "-", format="csv")

    assert output.buffer.getvalue().startswith(b"id,name\r\n")


def test_a_file_without_a_known_end_needs_its_format(run: Run) -> None:
    with pytest.raises(CommandError, match="Say --format csv or --format jsonl"):
        run("export_tags", "tags.txt")


def test_an_export_that_ends_early_leaves_the_former_file(run: Run, tmp_path: Path) -> None:
    Tag.objects.create(name="a")
    run("export_tags", "tags.csv")
    former = (tmp_path / "tags.csv").read_bytes()

    with pytest.MonkeyPatch.context() as patch, pytest.raises(CommandError, match="no room"):

        def fail(shown: object) -> bytes:
            raise OSError("no room")

        patch.setattr(exporting, "_as_csv", lambda names: fail)
        run("export_tags", "tags.csv")

    assert [path.name for path in tmp_path.iterdir()] == ["tags.csv"]
    assert (tmp_path / "tags.csv").read_bytes() == former


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_what_is_committed_during_an_export_is_not_in_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = User.objects.create_user("ada")
    for number in range(5):
        Line.objects.create(note=Note.objects.create(owner=owner, text=f"note {number}"), text="before")
    as_json = exporting._as_json
    shown: list[object] = []

    def first_changed(one: dict[str, Any]) -> bytes:
        if not shown:
            _in_another_connection("UPDATE notebooks_line SET text = 'after'")
        shown.append(one)
        return as_json(one)

    monkeypatch.setattr(exporting, "_as_json", first_changed)
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(export_notes.Command, "serializer_class", NoteSerializer)
    monkeypatch.setattr(
        export_notes.Command,
        "get_queryset",
        lambda self: Note.objects.order_by("pk").prefetch_related("lines"),
    )
    run("export_notes", "notes.jsonl")

    notes = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text().splitlines()]
    assert [note["lines"] for note in notes] == [[{"text": "before"}]] * 5
    assert set(Line.objects.values_list("text", flat=True)) == {"after"}


def _in_another_connection(statement: str) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(statement)
    finally:
        other.close()
