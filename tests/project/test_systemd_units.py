"""The units in deploy/systemd say again what the code says elsewhere: here is where they must agree."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.e2e.service import BASE_DIR
from workers.conf import WriteSettings
from workers.up import embedded_redis, service

UNITS = BASE_DIR / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.glob("*.service"))
README = (BASE_DIR / "README.md").read_text()

MOST_EXPOSED = 2.0
"""Of 10, as `systemd-analyze security` counts; without any hardening it is 9.6."""

analyzes = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not here (apt install systemd): the units are not verified",
)


def values(unit: str, name: str) -> list[str]:
    text = (UNITS / unit).read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as on a machine where what they start is there."""
    for name in NAMES:
        text = (UNITS / name).read_text()
        text = text.replace("/opt/one-writer/.venv/bin/python", sys.executable)
        (tmp_path / name).write_text(text.replace("/usr/bin/redis-server", "/bin/true"))
    return tmp_path


@analyzes
def test_systemd_understands_every_line(installed: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(installed / name) for name in NAMES)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


@analyzes
@pytest.mark.parametrize("name", NAMES)
def test_no_unit_may_do_more_than_it_needs(installed: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed / name)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(exposure) <= MOST_EXPOSED


def test_the_worker_is_the_one_of_up_and_systemd_watches_it(settings: Settings) -> None:
    process = service.writer("worker-%i")

    [command] = values("one-writer-writer@.service", "ExecStart")
    [seconds] = values("one-writer-writer@.service", "WatchdogSec")
    [stops] = values("one-writer-writer@.service", "TimeoutStopSec")
    assert shlex.split(command)[1:] == ["manage.py", *process.command[2:]]
    assert values("one-writer-writer@.service", "Type") == ["notify"]
    # It may wait for Redis several times in a row, which a parent that asks Redis itself need not allow for.
    assert process.watchdog_seconds is not None
    assert float(seconds) > 3 * process.watchdog_seconds
    assert float(stops) > process.grace_seconds


@pytest.mark.django_db  # Celery runs the system checks
def test_the_web_server_is_the_one_of_up_and_gets_its_time_to_stop(settings: Settings) -> None:
    settings.WRITE_WAIT_SECONDS = WriteSettings.WRITE_WAIT_SECONDS.at_most
    web = service.processes(None)[-1]

    [command] = values("one-writer-web.service", "ExecStart")
    [stops] = values("one-writer-web.service", "TimeoutStopSec")
    assert shlex.split(command)[1:] == [word.replace(f"{BASE_DIR}/", "") for word in web.command[1:]]
    assert float(stops) >= web.grace_seconds


def test_redis_keeps_what_it_accepts_like_the_embedded_one(tmp_path: Path) -> None:
    [command] = values("one-writer-redis.service", "ExecStart")
    words = shlex.split(command)[1:]
    given = dict(zip(words[::2], words[1::2], strict=True))

    arguments = embedded_redis.prepare(tmp_path)
    embedded = dict(zip(arguments[::2], arguments[1::2], strict=True))
    names = ("port", "unixsocketperm", "appendonly", "appendfsync", "no-appendfsync-on-rewrite")
    for name in (*names, "maxmemory-policy", "save"):
        assert given[f"--{name}"] == embedded[f"--{name}"]


def test_the_environment_file_names_settings_that_there_are() -> None:
    lines = (UNITS / "one-writer.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert [name for name in given if f"`{name}`" not in README] == ["DJANGO_SETTINGS_MODULE"]
    words = shlex.split(values("one-writer-redis.service", "ExecStart")[0])
    socket = words[words.index("--unixsocket") + 1]
    assert given["REDIS_URL"] == f"unix://{socket}"
    assert given["DATA_DIR"] == "/var/lib/" + values("one-writer-web.service", "StateDirectory")[0]
