"""What another project installs: the whole write path, which needs nothing of this repository."""

import re
import zipfile
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR
from tests.wheel.environments import run

pytestmark = pytest.mark.slow

NOT_IN_IT = {"workers/DESIGN.md"}

IMPORT_ALL = """
import importlib, pkgutil, sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "workers"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "store.sqlite3"}},
    HOST="127.0.0.1", PORT=8000, WEB_PROCESSES=1, WEB_CONNECTIONS=10,
)
import django
django.setup()
import workers
from celery import Celery
from workers.celery import prepare
prepare(Celery("a_project"))  # asked for by the module that is for `celery -A`
for module in pkgutil.walk_packages(workers.__path__, "workers.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as exc:
        print(module.name, exc.name)
print("all tried")
"""


def sources(names: set[str], *suffixes: str) -> dict[str, str]:
    return {name: (BASE_DIR / name).read_text() for name in names if name.endswith(suffixes)}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}


def test_all_of_the_write_path_is_in_it_and_nothing_else(names: set[str]) -> None:
    files = [path for path in (BASE_DIR / "workers").rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(BASE_DIR)) for path in files if "__pycache__" not in path.parts}

    assert names == wanted - NOT_IN_IT
    assert {"workers/py.typed", "workers/stream/append.lua", "workers/static/workers/admin.css"} <= names


def test_what_its_documents_and_messages_name_is_in_it(names: set[str]) -> None:
    linked = {
        str(Path(name).parent / target): name
        for name, text in sources(names, ".md").items()
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    }
    named = {
        target: name
        for name, text in sources(names, ".py", ".html", ".md").items()
        for target in re.findall(r"workers/\w+\.md", text)
    }
    assert named
    assert {target: name for target, name in (linked | named).items() if target not in names} == {}


def test_nothing_in_it_knows_this_service_or_its_example(names: set[str]) -> None:
    known = re.compile(r"""(?:from|import)\s+(?:project|items)\b|["'](?:project|items)\.\w""")

    found = sources(names, ".py", ".lua", ".html")
    assert [name for name, text in found.items() if known.search(text)] == []


def test_with_all_extras_every_module_can_be_imported(full: Path, tmp_path: Path) -> None:
    # The fixtures are for projects that have pytest.
    assert run(full, "-c", IMPORT_ALL, cwd=tmp_path).stdout == "workers.testing.pytest pytest\nall tried\n"


def test_without_extras_only_what_they_are_for_is_missing(core: Path, tmp_path: Path) -> None:
    *missing, last = run(core, "-c", IMPORT_ALL, cwd=tmp_path).stdout.splitlines()

    assert last == "all tried"
    assert {line.split()[0].split(".")[1] for line in missing} == {"rest", "testing", "web"}
    assert {line.split()[1] for line in missing} == {"gunicorn", "pytest", "rest_framework", "uvicorn"}


def test_an_extra_that_is_missing_is_named(core: Path, tmp_path: Path) -> None:
    done = run(core, "-c", "import workers.rest", cwd=tmp_path, check=False)

    assert "pip install 'one-writer[rest]'" in done.stderr.splitlines()[-1]
