"""What `up` says once all runs: one block, within 80 columns, whose lines can be pasted."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from project.demo.access import DemoAccess
from project.demo.management.commands.up import Command
from workers.management.commands import up

URL = "http://127.0.0.1:8000"
ACCESS = DemoAccess(username="demo", password="x" * 16, token="0" * 64)


@pytest.mark.parametrize("access", [None, ACCESS])
def test_the_welcome_fits_80_columns(access: DemoAccess | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_DIR")
    monkeypatch.chdir(settings.BASE_DIR)
    monkeypatch.setattr(sys, "executable", f"{settings.BASE_DIR}/.venv/bin/python")  # as `make run` has it
    command = Command()
    command._access = access
    with override_settings(DATA_DIR=Path(settings.BASE_DIR) / "var"):
        lines = command.welcome(URL)

    assert [line for line in lines if len(line) > 80] == []
    assert lines[0].startswith("API")
    text = "\n".join(lines)
    [curl] = re.findall(r"^ *(curl (?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert f"{URL}/api/items/" in shlex.split(curl)
    assert ('"Authorization: Bearer $(cat var/demo-token)"' in curl) == (access is not None)


def test_from_elsewhere_a_file_is_named_by_its_whole_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert up.shown(tmp_path / "demo token") == os.fspath(tmp_path / "demo token")
