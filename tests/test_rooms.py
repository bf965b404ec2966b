"""The house: no import that hides in a function, and no writer's code in a web process."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR

PACKAGES = ("workers", "project", "items")
SOURCES = sorted(path for package in PACKAGES for path in (BASE_DIR / package).rglob("*.py"))

ALLOWED = {
    # Django imports an app's models and checks only when all apps are loaded.
    "ready",
}
"""Functions that may import, by name."""


def imports_in_functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name not in ALLOWED:
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield function.name, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_no_import_hides_in_a_function(path: Path) -> None:
    assert list(imports_in_functions(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_what_the_type_checker_is_told_to_ignore_has_a_reason(path: Path) -> None:
    told = [line.strip() for line in path.read_text().splitlines() if "# type: ignore" in line]

    assert [line for line in told if not re.search(r"# type: ignore\[[\w, -]+\]  # \w", line)] == []


def test_a_web_process_does_not_import_the_writer() -> None:
    program = """
import sys
import project.wsgi, project.urls
print([name for name in sys.modules if name.startswith("workers.writer")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=BASE_DIR, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"
