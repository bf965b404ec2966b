"""The house: no import that hides in a function, and no writer's code in a web process."""

import re
import subprocess
import sys
import tokenize
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


def imports_in_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the function and the line of each import that is not at the top.

    By tokens, because making syntax trees is not safe beside other threads before Python 3.11.5 (gh-106905).
    """
    blocks = [""]  # the function of each block that is open, the innermost last
    statement: list[str] = []
    defined = ""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            match token.type:
                case tokenize.INDENT:
                    blocks.append(defined or blocks[-1])
                    defined = ""
                case tokenize.DEDENT:
                    blocks.pop()
                case tokenize.NEWLINE:
                    statement = []
                case tokenize.COMMENT | tokenize.NL | tokenize.ENCODING:
                    pass
                case _:
                    statement.append(token.string)
                    if "def" in statement[:2] and statement[-2:-1] == ["def"]:
                        defined = token.string
                    elif len(statement) == 1 and token.string in {"import", "from"} and blocks[-1]:
                        yield blocks[-1], token.start[0]


def test_an_import_in_a_function_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import a\nif a:\n    import b\n\n\nclass C:\n    import c\n\n    async def m(self):\n"
        "        if a:\n            from d import e\n        return 'def x(): import y'\n"
    )

    assert list(imports_in_functions(path)) == [("m", 11)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(BASE_DIR)))
def test_no_import_hides_in_a_function(path: Path) -> None:
    assert [found for found in imports_in_functions(path) if found[0] not in ALLOWED] == []


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
