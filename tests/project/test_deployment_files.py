"""Dockerfile and docker-compose.yml say again what the code says elsewhere: here is where they must agree."""

import math
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings
from pytest_django import Settings

from workers.conf import WriteSettings, all_settings
from workers.stream import keys
from workers.up import embedded_redis, service

ROOT = Path(django_settings.BASE_DIR)
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_the_image_has_a_python_that_the_project_supports() -> None:
    pinned = re.search(r"^FROM python:3\.(\d+)-slim-trixie$", DOCKERFILE, re.MULTILINE)
    oldest = re.fullmatch(
        r">=3\.(\d+)", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )

    assert pinned and oldest and int(pinned[1]) >= int(oldest[1])


@pytest.mark.django_db  # Celery runs the system checks
def test_writer_and_web_server_are_those_of_up(services: dict[str, Any]) -> None:
    up = {process.name: process.command for process in service.processes(None)}

    last_line = services["writer"]["command"][-1].replace("\\\n", "").splitlines()[-1]
    command = ["exec", "python", *(word.replace(f"{ROOT}/", "") for word in up["writer"][1:3])]
    assert shlex.split(last_line) == command
    assert services["web"]["command"] == [
        "gunicorn",
        *(word.replace(f"{ROOT}/", "/app/") for word in up["web"][3:]),
    ]


@pytest.mark.django_db  # Celery runs the system checks
def test_each_process_gets_the_time_to_stop_that_up_gives_it(
    services: dict[str, Any], settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    settings.WRITE_WAIT_SECONDS = WriteSettings.WRITE_WAIT_SECONDS.at_most

    up = {process.name: process.grace_seconds for process in service.processes(tmp_path / "redis-server")}
    for name, compose_service in services.items():
        assert compose_service["stop_grace_period"] == f"{math.ceil(up[name])}s"


def test_redis_keeps_what_it_accepts_like_the_embedded_one(services: dict[str, Any], tmp_path: Path) -> None:
    words = services["redis"]["command"][1:]
    given = dict(zip(words[::2], words[1::2], strict=True))

    arguments = embedded_redis.prepare(tmp_path)
    embedded = dict(zip(arguments[::2], arguments[1::2], strict=True))
    for name in ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "save"):
        assert given[f"--{name}"] == embedded[f"--{name}"]


@pytest.mark.parametrize("name", ["redis", "writer", "web"])
def test_every_process_comes_back_and_is_watched(services: dict[str, Any], name: str) -> None:
    assert services[name]["restart"] == "unless-stopped"
    assert "healthcheck" in services[name]


def test_the_writer_s_health_is_its_heartbeat(services: dict[str, Any]) -> None:
    key = keys.heartbeat().rpartition(":")[2]
    check = services["writer"]["healthcheck"]["test"][-1]

    assert f'or "{WriteSettings.WRITE_KEY_PREFIX.default}") + ":{key}"' in check


def test_only_the_web_server_is_reached_and_only_from_this_machine(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}


@pytest.mark.parametrize("name", ["writer", "web"])
def test_every_setting_is_passed_on(services: dict[str, Any], name: str) -> None:
    read = set(re.findall(r'environment\.\w+\(\s*"(\w+)"', (ROOT / "project" / "settings.py").read_text()))
    wanted = read | {setting.name for setting in all_settings()}
    # Given by the image, or settled inside it and in the settings.
    wanted -= {"DATA_DIR", "HOST", "PORT", "REDIS_URL", "WRITE_OUTSIDE_WRITER"}

    environment = services[name]["environment"]
    passed_on = {variable for variable, value in environment.items() if f"${{{variable}:-}}" in value}
    assert passed_on == wanted
