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


def measured(name: str) -> tuple[str, str, str]:
    """Return writes/s, p50 and p99 of a row of the results' first table, as they are written there."""
    results = (BASE_DIR / "benchmarks" / "results" / "results.md").read_text()
    table = results.partition("## 64 connections, closed loop")[2].partition("\n## ")[0]
    [row] = re.findall(rf"^\| {re.escape(name)} \| (.+) \|$", table, re.MULTILINE)
    rate, _, _, p50, p99, *_ = row.split(" | ")
    return rate, p50, p99


@pytest.mark.parametrize(
    ("begins", "name"),
    [
        ("| **One Writer, 201 after the commit**", "One Writer, 201 after the commit"),
        ("| Django, WAL + IMMEDIATE + FULL, 2 x 32 threads", "Django, WAL + IMMEDIATE + FULL"),
        ("| the same under 2 sync workers", "Django, WAL + IMMEDIATE + FULL, sync"),
        ("| the same model and tokens under django-bolt", "django-bolt, WAL + IMMEDIATE + FULL"),
        ("| Django on PostgreSQL, under gevent", "Django + PostgreSQL, gevent"),
    ],
)
def test_the_figures_of_the_readme_are_those_of_the_results(begins: str, name: str) -> None:
    [row] = [line for line in README.splitlines() if line.startswith(begins)]

    assert [figure for figure in measured(name) if figure not in row] == []


def test_the_top_of_the_readme_has_the_same_figures() -> None:
    [row] = [line for line in README.splitlines() if line.startswith("| writes/s")]
    _, _, before, after, _ = row.split("|")

    shown = [re.findall(r"[\d,.]*\d", cell) for cell in (before, after)]
    rows = ("Django, WAL + IMMEDIATE + FULL", "One Writer, 201 after the commit")
    assert shown == [[rate, "99", p99] for rate, _, p99 in map(measured, rows)]


def test_every_test_that_the_design_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", DESIGN))
    sources = "".join(path.read_text() for path in (BASE_DIR / "tests").rglob("test_*.py"))

    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []


@pytest.mark.parametrize(
    "document",
    [
        *("README.md", "workers/DESIGN.md", "workers/SETTINGS.md", "workers/WRITE_FUNCTIONS.md"),
        *("benchmarks/README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
        *(f"docs/{file.name}" for file in sorted((BASE_DIR / "docs").glob("*.md"))),
    ],
)
def test_every_link_leads_somewhere(document: str) -> None:
    path = BASE_DIR / document
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists() or (Path(BASE_DIR) / target).exists(), target


SOURCES = [
    path
    for package in ("workers", "project", "items", "tests", "benchmarks")
    for path in (BASE_DIR / package).rglob("*")
    if path.suffix in {".py", ".lua", ".md", ".html"}
]
CODE = "\n".join(
    path.read_text()
    for path in SOURCES
    if path.suffix in {".py", ".lua"} and path.is_relative_to(BASE_DIR / "workers")
)


def test_every_line_of_code_that_the_design_quotes_is_in_the_source() -> None:
    quoted = re.findall(r"^ {4}\s*(\S.*?)(?:\s{2,}# .*)?$", DESIGN, re.MULTILINE)
    assert len(quoted) > 10
    assert [line for line in quoted if line not in CODE] == []


def test_every_file_that_the_design_names_exists() -> None:
    functions = (BASE_DIR / "workers" / "WRITE_FUNCTIONS.md").read_text()
    named = set(re.findall(r"`([\w./-]+\.(?:py|lua|md|toml|yml))`", DESIGN + functions)) - {
        "write_functions.py"
    }
    places = (BASE_DIR, BASE_DIR / "workers")

    assert len(named) > 30
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_no_document_refers_to_a_document_that_is_not_there() -> None:
    # Not in the environments: these hold some ten thousand folders.
    there = {path.name for folder in ("*.md", "[!.]*/**/*.md") for path in BASE_DIR.glob(folder)}
    own = [path for path in SOURCES if path.name != "test_docs.py"]

    missing = {
        f"{path.relative_to(BASE_DIR)}: {name}"
        for path in [*own, *BASE_DIR.glob("*.md")]
        for name in re.findall(r"[\w-]+\.md\b", path.read_text())
        if name not in there
    }
    assert missing == set()


def test_before_a_commit_runs_what_make_lint_runs() -> None:
    makefile = (BASE_DIR / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    hooks = (BASE_DIR / ".pre-commit-config.yaml").read_text()

    commands = re.findall(r"^\t\$\(BIN\)/(.+)$", makefile, re.MULTILINE)
    assert commands
    assert re.findall(r"entry: \.venv/bin/(.+?), language", hooks) == commands
