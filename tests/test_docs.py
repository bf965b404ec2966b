"""What the documentation says is what the code does."""

import re
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR
from workers.conf import all_settings

README = (BASE_DIR / "README.md").read_text()
SETTINGS = (BASE_DIR / "workers" / "SETTINGS.md").read_text()
DESIGN = (BASE_DIR / "workers" / "DESIGN.md").read_text()


def test_every_setting_of_the_write_path_is_documented_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(WRITE_\w+)` \| (.*?) \| (.*?) \|$", SETTINGS, re.MULTILINE)

    assert rows == [(setting.name, str(setting.default), setting.help) for setting in all_settings()]


def test_every_variable_that_the_settings_read_is_in_the_readme() -> None:
    source = (BASE_DIR / "project" / "settings.py").read_text()
    names = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', source))

    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in README] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_every_test_that_the_design_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", DESIGN))
    sources = "".join(path.read_text() for path in (BASE_DIR / "tests").rglob("test_*.py"))

    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []


@pytest.mark.parametrize(
    "document",
    [
        *("README.md", "workers/DESIGN.md", "workers/SETTINGS.md", "workers/WRITE_FUNCTIONS.md"),
        *("benchmarks/README.md", "CHANGELOG.md"),
    ],
)
def test_every_link_leads_somewhere(document: str) -> None:
    path = BASE_DIR / document
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists() or (Path(BASE_DIR) / target).exists(), target
