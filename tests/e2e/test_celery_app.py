"""The doorbell goes to the app that the project prepared, in every process and thread of a real project."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.e2e.service import BASE_DIR, PYTHON

SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "workers", {apps}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {store!r}}}}}
ROOT_URLCONF = "shop.urls"
REDIS_URL = {url!r}
"""

PREPARED = """
from celery import Celery
from workers.celery import prepare

app = Celery("shop", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
prepare(app)
"""

ANOTHER = """
from celery import Celery

app = Celery("mails", broker="redis://127.0.0.1:1/")
app.set_default()
"""

WRITE_FUNCTIONS = """
from workers import Result, write_function


@write_function("orders.add")
def add(write):
    return Result()
"""

RING = """
import os, threading
import django
os.environ["DJANGO_SETTINGS_MODULE"] = {settings!r}
django.setup()
{then}
from workers.stream import doorbell
thread = threading.Thread(target=doorbell.ring)
thread.start()
thread.join()
"""

QUEUE = "writes:celery:writer"
"""Of the writer, in Redis."""

Project = Callable[..., Path]


@pytest.fixture
def make_project(tmp_path: Path, clean_redis: redis.Redis, redis_server: str) -> Project:
    """Make a project of one package with these modules, by their paths, and an app with a write function."""

    def make(*, settings: str = "shop/settings.py", more: str = "", **modules: str) -> Path:
        text = SETTINGS.format(
            apps="'orders'" if "orders__write_functions" in modules else "",
            store=str(tmp_path / "db.sqlite3"),
            url=redis_server,
        )
        sources = {settings: text + more, "shop/urls.py": "urlpatterns = []"}
        sources |= {f"{name.replace('__', '/')}.py": text for name, text in modules.items()}
        for name, source in sources.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (path.parent, *path.parent.parents):
                if folder == tmp_path:
                    break
                (folder / "__init__.py").touch()
            path.write_text(source)
        return tmp_path

    return make


def run(project: Path, program: str) -> str:
    done = subprocess.run(
        [PYTHON, "-c", program],
        cwd=project,
        env={"PATH": "", "PYTHONPATH": f"{project}:{BASE_DIR}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_app_that_is_not_the_default_one_is_told_from_any_thread(
    make_project: Project, clean_redis: redis.Redis
) -> None:
    project = make_project(shop__celery=PREPARED, shop__mails=ANOTHER)

    told = run(project, RING.format(settings="shop.settings", then="import shop.celery, shop.mails"))

    assert clean_redis.llen(QUEUE) == 1, told


def test_a_process_that_never_imported_the_app_finds_it_in_its_package(
    make_project: Project, clean_redis: redis.Redis
) -> None:
    project = make_project(settings="shop/conf/production.py", shop__celery=PREPARED, shop__mails=ANOTHER)

    told = run(project, RING.format(settings="shop.conf.production", then="import shop.mails"))

    assert clean_redis.llen(QUEUE) == 1, told


def test_an_app_that_stands_elsewhere_is_found_by_the_setting(
    make_project: Project, clean_redis: redis.Redis
) -> None:
    project = make_project(more="WRITE_CELERY_APP = 'background.app'", background__app=PREPARED)

    told = run(project, RING.format(settings="shop.settings", then=""))

    assert clean_redis.llen(QUEUE) == 1, told


def test_with_write_functions_it_is_found_at_start_not_at_the_first_ring(make_project: Project) -> None:
    project = make_project(shop__celery=PREPARED, orders__write_functions=WRITE_FUNCTIONS)

    told = run(
        project,
        RING.format(settings="shop.settings", then="import sys; print('shop.celery' in sys.modules)"),
    )

    assert told.splitlines()[0] == "True"


CHECK = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.core.checks import run_checks
for message in run_checks():
    if message.id == "workers.E020":
        print(message.msg, message.hint)
"""


def test_write_functions_without_an_app_that_is_prepared_are_a_check_with_what_to_do(
    make_project: Project,
) -> None:
    unprepared = PREPARED.replace("prepare(app)", "")
    project = make_project(shop__celery=unprepared, orders__write_functions=WRITE_FUNCTIONS)

    told = run(project, CHECK)

    assert "Looked into: shop.celery." in told
    assert "WRITE_CELERY_APP" in told


def test_a_project_without_write_functions_needs_no_celery_app(make_project: Project) -> None:
    assert run(make_project(), CHECK) == ""


def test_an_error_inside_the_module_of_the_app_is_not_taken_for_its_absence(make_project: Project) -> None:
    project = make_project(shop__celery="import no_such_package", orders__write_functions=WRITE_FUNCTIONS)

    with pytest.raises(AssertionError, match="no_such_package"):
        run(project, CHECK)
