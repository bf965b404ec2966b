"""Environment variables are parsed strictly: a bad value ends the start with one line that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project import environment
from project.environment import InvalidEnvironment
from tests.e2e.service import BASE_DIR
from workers.conf import all_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("WEB_PROCESSES", "0"),
        ("REDIS_URL", "localhost:6379"),
        ("DEMO", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("WRITE_WAIT_SECONDS", "ten"),
        ("WRITE_WAIT_SECONDS", "nan"),
        ("WRITE_BATCH_MAX_WRITES", "1.5"),
        ("WRITE_SYNCHRONOUS", "OFF"),
        ("WRITE_MAX_DEATHS", "2"),
        ("WRITE_REQUIRE_IF_MATCH", "2"),
    ],
)
def test_a_bad_value_is_named_in_one_line(name: str, value: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=os.environ | {"DATA_DIR": str(tmp_path), name: value},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert line.startswith(f"manage.py: {name}=")
    assert value in line


def test_every_setting_of_the_write_path_can_be_given_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for setting in all_settings():
        default = setting.default
        given = {bool: "1", int: str(int(setting.at_most)), float: str(setting.at_most), str: "x"}[
            type(default)
        ]
        if setting.choices:
            given = setting.choices[-1]
        monkeypatch.setenv(setting.name, given)
        value = environment.read(setting)
        assert type(value) is type(default)
        assert value != default


def test_a_value_past_its_range_names_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "11")
    with pytest.raises(InvalidEnvironment, match="X=11 is out of range; use 1 to 10"):
        environment.integer("X", 5, at_least=1, at_most=10)


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " ")
    assert environment.integer("X", 5, at_least=1, at_most=10) == 5
