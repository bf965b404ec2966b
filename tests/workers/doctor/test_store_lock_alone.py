"""A project that has put the app into INSTALLED_APPS and nothing else: no Redis is missing there."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.e2e.service import BASE_DIR, PYTHON
from workers.conf import settings
from workers.service_settings import place
from workers.stream import keys

SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "plain", "rest_framework", "workers",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
ROOT_URLCONF = "plain.urls"
"""
CELERY = """
from celery import Celery
from workers.celery import prepare
app = prepare(Celery("plain"))
"""
OWN_CELERY = """
from celery import Celery
app = Celery("plain", broker="redis://nowhere/1")
"""
WRITE_FUNCTIONS = """
from workers import write_function
@write_function("plain.add")
def add(write): ...
"""
QUEUED_VIEWS = """
from django.contrib.auth.models import Group
from django.urls import include, path
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet
from workers.rest import QueuedWritesMixin

class GroupSerializer(ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]

class GroupViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Group.objects.order_by("id")
    serializer_class = GroupSerializer

router = SimpleRouter()
router.register("groups", GroupViewSet)
urlpatterns = [*router.urls, path("", include("workers.rest.urls"))]
"""
ADD_A_RECEIPT = """
import uuid, django; django.setup()
from django.utils import timezone
from workers.models import Receipt
Receipt.objects.create(write_id=1, token=uuid.uuid4(), function="plain.add", status="committed",
                       http_status=201, body="{}", committed_at=timezone.now())
"""


class Project:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.add("settings.py", SETTINGS)
        self.add("__init__.py", "")
        self.add("urls.py", "urlpatterns = []")

    def add(self, name: str, text: str) -> None:
        path = self.directory / "plain" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = {"PYTHONPATH": f"{self.directory}:{BASE_DIR}", "DJANGO_SETTINGS_MODULE": "plain.settings"}
        return subprocess.run(
            [PYTHON, *arguments],
            cwd=self.directory,
            env={"PATH": "", **path, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def doctor(self, **variables: str) -> tuple[int, dict[str, Any]]:
        """Return the exit status, and what is said of each thing by its name."""
        done = self.run("-m", "django", "doctor", "--json", **variables)
        assert done.stdout, done.stderr
        return done.returncode, {one["name"]: one for one in json.loads(done.stdout)["findings"]}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a project with a migrated store, to be copied."""
    project = Project(tmp_path_factory.mktemp("plain"))
    project.run("-m", "django", "migrate", "--verbosity", "0").check_returncode()
    return project.directory


@pytest.fixture
def project(plain: Path, tmp_path: Path) -> Project:
    return Project(shutil.copytree(plain, tmp_path / "site"))


def test_the_store_lock_alone_needs_no_redis(project: Project) -> None:
    status, found = project.doctor()

    assert (status, found["redis"]["level"]) == (0, "info")
    assert found["redis"]["msg"].startswith("Not needed: ")
    assert not {"writer", "stream", "redis.persistence"} & found.keys()


def test_before_its_first_migrate_too_and_none_is_made_to_look(tmp_path: Path) -> None:
    project = Project(tmp_path / "site")

    status, found = project.doctor()

    assert (status, found["store"]["level"], found["redis"]["level"]) == (1, "error", "info")
    assert not (project.directory / "db.sqlite3").exists()


def test_celery_and_redis_of_the_projects_own_are_not_what_writes_go_through(project: Project) -> None:
    project.add("celery.py", OWN_CELERY)

    assert project.doctor(REDIS_URL="redis://127.0.0.1:1/0")[1]["redis"]["level"] == "info"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("celery.py", CELERY),
        ("celery.py", "import nothing_of_the_kind"),
        ("write_functions.py", WRITE_FUNCTIONS),
        ("urls.py", QUEUED_VIEWS),
    ],
    ids=["app", "broken-app", "write-functions-without-app", "views-without-app"],
)
def test_whoever_hands_writes_over_or_means_to_needs_it(project: Project, name: str, text: str) -> None:
    project.add(name, text)

    status, found = project.doctor()

    assert (status, found["redis"]["level"]) == (1, "error")
    assert "Redis does not respond" in found["redis"]["msg"]


def test_a_write_that_was_handed_over_once_is_not_forgotten_with_the_app(project: Project) -> None:
    added = project.run("-c", ADD_A_RECEIPT)

    assert added.returncode == 0, added.stderr
    assert project.doctor()[1]["redis"]["level"] == "error"


def test_a_stream_in_redis_is_examined_whatever_the_settings_say(
    project: Project, clean_redis: redis.Redis
) -> None:
    clean_redis.hset(keys.owner(), "store", "another:1")

    _, found = project.doctor(REDIS_URL=place.REDIS_URL, WRITE_KEY_PREFIX=settings.WRITE_KEY_PREFIX)

    assert {"redis.persistence", "stream.owner"} <= found.keys()
