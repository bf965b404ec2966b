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
from workers.up import embedded_redis, service

ROOT = Path(django_settings.BASE_DIR)
DOCKERFILE = (ROOT / "Dockerfile").read_text()


COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

KEPT_RUNNING = ("redis", "writer", "web", "proxy")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"]
    return found


def test_the_image_has_a_python_that_the_project_supports() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    pinned = {re.fullmatch(r"python:3\.(\d+)-slim-trixie", stage) for stage in stages}
    oldest = re.fullmatch(
        r">=3\.(\d+)", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )

    assert len(set(stages)) == 1
    for version in pinned:
        assert version and oldest and int(version[1]) >= int(oldest[1])


def test_the_image_holds_what_the_lock_says_and_nothing_to_build_with() -> None:
    _, packages, final = DOCKERFILE.split("\nFROM ")

    assert "--require-hashes --only-binary :all: -r requirements.lock" in packages
    assert "pip install" not in final
    assert "COPY --from=packages /venv /venv" in final
    assert "\nUSER app\n" in final


@pytest.mark.django_db  # Celery runs the system checks
def test_writer_and_web_server_are_those_of_up(services: dict[str, Any]) -> None:
    up = {process.name: process.command for process in service.processes(None)}

    command = ["exec", "python", *(word.replace(f"{ROOT}/", "") for word in up["writer"][1:3]), "--watchdog"]
    assert shlex.split(services["writer"]["command"][-1].splitlines()[-1])[: len(command)] == command
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
    up["writer"] += 5  # its watchdog gives it as long as `up` does, and must have its own end
    up["proxy"] = up["web"]  # the requests are the same
    for name in KEPT_RUNNING:
        assert services[name]["stop_grace_period"] == f"{math.ceil(up[name])}s"


def test_redis_keeps_what_it_accepts_like_the_embedded_one(services: dict[str, Any], tmp_path: Path) -> None:
    words = services["redis"]["command"][1:]
    given = dict(zip(words[::2], words[1::2], strict=True))

    arguments = embedded_redis.prepare(tmp_path)
    embedded = dict(zip(arguments[::2], arguments[1::2], strict=True))
    for name in ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "save"):
        assert given[f"--{name}"] == embedded[f"--{name}"]


@pytest.mark.parametrize("name", KEPT_RUNNING)
def test_every_process_comes_back_and_is_watched(services: dict[str, Any], name: str) -> None:
    assert services[name]["restart"] == "unless-stopped"
    assert "healthcheck" in services[name]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_no_container_can_do_or_use_up_more_than_it_needs(services: dict[str, Any], name: str) -> None:
    container = services[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["mem_limit"] and container["pids_limit"]
    assert container["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    if name == "redis":
        assert container["user"] == "999:999"


def test_the_writer_s_health_is_the_progress_of_that_very_worker(services: dict[str, Any]) -> None:
    *_, option, path = shlex.split(services["writer"]["command"][-1])

    assert option == "--progress-file"
    assert f"stat -c %Y {path}" in services["writer"]["healthcheck"]["test"][-1]
    assert path.startswith(f"{services['writer']['tmpfs'][0]}/")  # all else is read-only


def test_only_the_proxy_is_reached_and_only_from_this_machine(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {"proxy": ["${HTTP_PORT:-127.0.0.1:8000}:80", "${HTTPS_PORT:-127.0.0.1:8443}:443"]}
    assert "dynamic a web 8000" in (ROOT / "deploy" / "Caddyfile").read_text()


def test_web_processes_of_a_new_image_come_after_its_migrations(services: dict[str, Any]) -> None:
    first, *_ = services["writer"]["command"][-1].splitlines()

    assert first.startswith("python manage.py migrate ")
    assert services["web"]["depends_on"]["writer"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", ["writer", "web"])
def test_every_setting_is_passed_on(services: dict[str, Any], name: str) -> None:
    read = set(re.findall(r'environment\.\w+\(\s*"(\w+)"', (ROOT / "project" / "settings.py").read_text()))
    wanted = read | {"DATABASE_URL", "DATABASE_READ_URL"} | {setting.name for setting in all_settings()}
    # Given by the image, or settled inside it and in the settings.
    wanted -= {"DATA_DIR", "HOST", "PORT", "REDIS_URL", "SERVICE_URL", "WRITE_OUTSIDE_WRITER"}

    environment = services[name]["environment"]
    passed_on = {variable for variable, value in environment.items() if f"${{{variable}:-" in value}
    assert passed_on == wanted


def test_what_a_proxy_says_is_believed_because_there_is_one(services: dict[str, Any]) -> None:
    environment = services["web"]["environment"]

    assert environment["TRUST_X_FORWARDED_PROTO"] == "${TRUST_X_FORWARDED_PROTO:-1}"
    assert environment["PROXIES"] == "${PROXIES:-1}"
