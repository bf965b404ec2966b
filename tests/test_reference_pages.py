"""What the documentation lists is what there is, and its command lines run."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import get_resolver

from tests import reference_pages
from tests.e2e.service import BASE_DIR

DOCUMENTS = [
    *(BASE_DIR / "docs").glob("*.md"),
    *(BASE_DIR / name for name in ("README.md", "benchmarks/README.md", "workers/DESIGN.md")),
]
SPHINX = BASE_DIR / ".venv-docs" / "bin" / "sphinx-build"


@pytest.mark.parametrize("page", reference_pages.ALL)
def test_the_page_says_what_the_code_does(page: str) -> None:
    """Renew it with python -m tests.reference_pages."""
    assert (reference_pages.PAGES / f"{page}.md").read_text() == reference_pages.ALL[page]()


def test_the_page_of_endpoints_has_every_route() -> None:
    page = reference_pages.endpoints()
    routes = {f"/{pattern.pattern}" for pattern in get_resolver("project.urls").url_patterns}
    routes = {"/admin/" if route.startswith("/admin/") else route for route in routes}

    assert len(routes) > 8
    assert [route for route in routes if not re.search(rf"`[A-Z]+ {re.escape(route)}`", page)] == []


def _command_lines(text: str) -> list[list[str]]:
    """Return the words after manage.py of each command line: in a block of code, or a whole span of it."""
    blocks = re.findall(r"^ {4,}(?:\S+ )*?(?:\S*/)?manage\.py (\w.*?)(?: {2,}.*)?$", text, re.MULTILINE)
    spans = re.findall(r"`(?:python )?manage\.py (\w[^`]*)`", text)
    lines = [shlex.split(re.split(r" [#|] ", line)[0]) for line in (*blocks, *spans)]
    return [line for line in lines if not line[0].isupper()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_every_command_line_names_a_command_and_options_that_there_are(document: Path) -> None:
    there = get_commands()
    for name, *arguments in _command_lines(document.read_text()):
        assert name in there, name
        given = ["1" if word.isupper() or word.startswith("[") else word for word in arguments]
        parser = load_command_class(there[name], name).create_parser("manage.py", name)
        # Named alone, what it has to be given is left out.
        if arguments and not set(arguments) <= {"..."}:
            parser.parse_args(given)


def test_command_lines_are_found() -> None:
    found = {line[0] for document in DOCUMENTS for line in _command_lines(document.read_text())}
    assert found > {"backup", "doctor", "failed_writes", "move_store", "create_token", "load_test"}


def test_the_pages_can_be_made(tmp_path: Path) -> None:
    if not SPHINX.exists():
        pytest.skip("make docs has made no .venv-docs")
    run = subprocess.run(
        [SPHINX, "--quiet", "--fail-on-warning", "-b", "html", "docs", tmp_path],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"]},  # its packages are not those that tests hide
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    start = (tmp_path / "index.html").read_text()
    assert re.findall(r'(?:src|rel="stylesheet"[^>]*href)="https?:', start) == []
    options = (tmp_path / "_static" / "documentation_options.js").read_text()
    assert "SHOW_SEARCH_SUMMARY: false" in options  # which would ask for pages, and from the disk it may not
    assert "searchindex.js" in "".join(path.name for path in tmp_path.iterdir())
