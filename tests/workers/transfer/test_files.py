"""The files of imports and exports: whose they are, what stays of them, and what is refused."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError

from items.models import Item
from tests.e2e.service import BASE_DIR, PYTHON
from tests.notebooks.models import Tag
from tests.workers.transfer.conftest import Run
from workers.transfer.part_file import PartFile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


def listed(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_report_may_not_be_the_file_itself(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is the file that is to be imported"):
        run("import_items", "items.jsonl", '{"name": "a"}\n', report=tmp_path / "items.jsonl")

    assert (tmp_path / "items.jsonl").read_text() == '{"name": "a"}\n'
    assert Item.objects.count() == 0


def test_the_report_of_a_run_stays_beside_other_files_dry_runs_and_what_is_refused(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(CommandError):
        run("import_tags", "tags.csv", "name\na\na\n")
    report = (tmp_path / "tags.csv.refused.jsonl").read_text()

    run("import_tags", "tags.csv", dry_run=True)
    run("import_tags", "tags.jsonl", '{"name": "b"}\n')
    with pytest.raises(CommandError, match="has changed since"):
        run("import_tags", "tags.csv", "name\nb\n")

    assert (tmp_path / "tags.csv.refused.jsonl").read_text() == report


def test_a_dry_run_has_a_report_of_its_own_and_leaves_nothing_else(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"tags\.csv\.dry-run\.refused\.jsonl says which, and why\.$"):
        run("import_tags", "tags.csv", 'name\na\n""\n', dry_run=True)

    assert listed(tmp_path) == ["tags.csv", "tags.csv.dry-run.refused.jsonl"]


@pytest.mark.parametrize("before", ["", "items.csv.refused.jsonl"])
def test_an_import_that_is_stopped_keeps_the_fuller_report(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    if before:
        (tmp_path / before).write_text('"of before"\n')
    text = 'name\n""\n' + "a\n" * 150

    def broken(rows: list[object]) -> None:
        if len(rows) < 99:
            raise ZeroDivisionError

    monkeypatch.setattr("items.write_functions._insert", broken)
    with pytest.raises(CommandError, match="Lines 102 to 152 were failed"):
        run("import_items", "items.csv", text)

    [told] = map(json.loads, (tmp_path / "items.csv.refused.jsonl").read_text().splitlines())
    assert told == "of before" if before else told["line"] == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_in_a_directory_that_only_may_be_read_is_imported_with_a_report_elsewhere(
    run: Run, tmp_path: Path
) -> None:
    directory = tmp_path / "read-only"
    directory.mkdir()
    (directory / "items.csv").write_text("name\na\n")
    directory.chmod(0o500)
    run("import_items", "read-only/items.csv", report=tmp_path / "report.jsonl")

    assert Item.objects.get().name == "a"
    assert listed(tmp_path) == ["read-only", "report.jsonl.journal"]


def test_a_file_that_is_not_there_is_told_and_nothing_to_go_on_with(run: Run) -> None:
    with pytest.raises(CommandError, match=r"No such file or directory: '.*none\.csv'$"):
        run("import_items", "none.csv")


def test_what_it_says_ends_its_line(run: Run) -> None:
    assert run("import_items", "items.csv", "name\na\n").endswith("lines/s.\n")


def test_two_exports_do_not_write_one_file_at_once(run: Run, tmp_path: Path) -> None:
    Tag.objects.create(name="a")
    first = PartFile(tmp_path / "tags.csv")
    first.file.write(b"of the first\n")
    with pytest.raises(CommandError, match=r"Another process writes .*tags\.csv\.part now"):
        run("export_tags", "tags.csv")
    first.complete()

    assert (tmp_path / "tags.csv").read_text() == "of the first\n"
    assert listed(tmp_path) == ["tags.csv"]


def test_what_a_killed_export_has_left_is_written_over(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tags.csv.part").write_text("left\n" * 100)
    run("export_tags", "tags.csv")

    assert (tmp_path / "tags.csv").read_text().splitlines() == ["id,name"]
    assert listed(tmp_path) == ["tags.csv"]


def test_an_export_whose_reader_leaves_ends_without_a_word(tmp_path: Path) -> None:
    environment = os.environ | {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "project.settings"}
    subprocess.run([PYTHON, "manage.py", "migrate", "-v0"], cwd=BASE_DIR, env=environment, check=True)
    read, write = os.pipe()
    os.close(read)
    command = [PYTHON, "manage.py", "export_items", "-", "--format", "csv"]
    ended = subprocess.run(
        command, cwd=BASE_DIR, env=environment, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)

    assert (ended.returncode, ended.stderr) == (141, "")
