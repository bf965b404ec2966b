"""The matrix runs what the README says is supported, and knows a server by what it says of itself."""

import re
from pathlib import Path

import pytest

from tests import matrix
from tests.e2e.service import BASE_DIR

README = (BASE_DIR / "README.md").read_text()


def test_every_version_that_the_readme_names_is_in_a_run() -> None:
    [said] = re.findall(r"Python 3\.(\d+) to 3\.(\d+), Django ([\d.]+) to ([\d.]+),", README)
    oldest, newest, first, last = said

    pythons = {versions.python for versions in matrix.MATRIX}
    assert pythons == {f"3.{minor}" for minor in range(int(oldest), int(newest) + 1)}
    assert {first, last} <= {versions.django for versions in matrix.MATRIX}
    assert {"redis6.2", "redis7"} <= {versions.redis for versions in matrix.MATRIX}


def test_the_bounds_of_the_package_are_those_of_the_matrix() -> None:
    bounds = re.search(r'"django>=([\d.]+),<([\d.]+)"', (BASE_DIR / "pyproject.toml").read_text())
    djangos = sorted(versions.django for versions in matrix.MATRIX)

    assert bounds
    major, _, minor = djangos[-1].partition(".")
    assert (bounds[1], bounds[2]) == (djangos[0], f"{major}.{int(minor) + 1}")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Redis server v=6.2.14 sha=00000000:0", "redis6.2"),
        ("Redis server v=7.0.15 sha=00000000:0", "redis7"),
        ("Valkey server v=9.1.2 sha=00000000:1", "valkey9"),
        ("something else", ""),
    ],
)
def test_a_server_is_known_by_what_it_says(tmp_path: Path, said: str, kind: str) -> None:
    server = tmp_path / "server"
    server.write_text(f"#!/bin/sh\necho '{said}'\n")
    server.chmod(0o700)

    assert matrix._kind(str(server)) == kind


def test_what_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.delenv("REDIS_7_SERVER", raising=False)

    with pytest.raises(matrix.Missing, match=r"Python 3\.99"):
        matrix._find_python("3.99")
    with pytest.raises(matrix.Missing, match="REDIS_7_SERVER"):
        matrix._redis_server(matrix.Versions(python="3.11", django="5.2", redis="redis7"), tmp_path)
