"""One row that the store or the model refuses is reported, and the rows beside it are taken."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import connection
from rest_framework import exceptions
from rest_framework.exceptions import PermissionDenied

from items.models import Item
from tests.notebooks.management.commands import import_notes, import_tags
from tests.notebooks.models import Note, Tag
from tests.workers.transfer.conftest import Run
from workers import Write
from workers.transfer import imported
from workers.transfer.applying import Row
from workers.writes import new_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]

TIMES = '"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"'


def errors_of(report: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["errors"] for line in report.read_text().splitlines()]


def test_what_the_model_itself_refuses(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Tag.save

    def refuse_bad(self: Tag, **options: Any) -> None:
        if self.name == "bad":
            raise ValidationError({"name": ["Not this one."]})
        save(self, **options)

    monkeypatch.setattr(Tag, "save", refuse_bad)
    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_tags", "tags.csv", "name\na\nbad\nb\n")

    assert list(Tag.objects.order_by("id").values_list("name", flat=True)) == ["a", "b"]
    assert errors_of(tmp_path / "tags.csv.refused.jsonl") == [{"name": ["Not this one."]}]


def test_a_key_beyond_what_the_store_holds(run: Run, tmp_path: Path) -> None:
    lines = [f'{{"id": {key}, "name": "a", "version": 1, {TIMES}}}\n' for key in (1, 2**63, 2)]
    with pytest.raises(CommandError, match="1 line was refused"):
        run("import_items", "items.jsonl", "".join(lines), verbatim=True)

    assert sorted(Item.objects.values_list("pk", flat=True)) == [1, 2]


def test_a_text_that_postgresql_cannot_hold(run: Run) -> None:
    owner = User.objects.create_user("ada").pk
    payloads = ['"a"', r'{"x": "a\u0000b"}', '"c"']
    lines = [f'{{"owner": {owner}, "text": "t", "payload": {payload}}}\n' for payload in payloads]
    if connection.vendor == "postgresql":
        with pytest.raises(CommandError, match="1 line was refused"):
            run("import_notes", "notes.jsonl", "".join(lines))
        assert Note.objects.count() == 2
    else:
        run("import_notes", "notes.jsonl", "".join(lines))
        assert Note.objects.count() == 3


def test_who_may_not_write_is_told_so_once_and_not_for_each_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(serializer: Any, user: Any) -> None:
        raise PermissionDenied("Not you.")

    monkeypatch.setattr(import_tags.Command, "perform_create", refuse)

    with pytest.raises(CommandError, match="Lines 2 to 3 were rejected: permission_denied, Not you"):
        run("import_tags", "tags.csv", "name\na\nb\n")


def test_a_row_gets_what_no_line_gives_from_perform_create(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = User.objects.create_superuser("ada")
    seen: list[Any] = []

    def perform_create(serializer: Any, user: Any) -> None:
        seen.append(user)
        serializer.save(owner=ada)

    monkeypatch.setattr(import_notes.Command, "perform_create", perform_create)
    run("import_notes", "notes.csv", f"owner,text\n{ada.pk},a\n", user="ada")
    run("import_notes", "more.csv", f"owner,text\n{ada.pk},b\n")

    assert [note.owner for note in Note.objects.all()] == [ada, ada]
    assert seen == [ada, None]


def test_what_is_wrong_within_a_field_of_a_row_is_told_with_its_place() -> None:
    def insert(rows: Sequence[Row]) -> None:
        raise exceptions.ValidationError({"tags": {1: ["Bad."]}})  # type: ignore[dict-item]  # as a ListField's is

    write = Write(
        function="notes.import",
        arguments={"data": [{"tags": [1, 2]}], "refused": [], "verbatim": False},
        token=new_token(),
        write_id=1,
    )

    assert imported(write, insert).body == {"created": 0, "refused": [(0, {"tags": ["1: Bad."]})]}
