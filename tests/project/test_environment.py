"""Environment variables are parsed strictly: a bad value ends the start with one line that names it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from project import databases, environment
from project.environment import InvalidEnvironment
from tests import forks
from tests.e2e.service import BASE_DIR
from workers.conf import WriteSettings, all_settings

pytestmark = pytest.mark.xdist_group("environment")  # all bad values are tried at once, by one process

BAD_VALUES = [
    ("PORT", "http"),
    ("PORT", "70000"),
    ("WEB_PROCESSES", "0"),
    ("REDIS_URL", "localhost:6379"),
    ("REDIS_URL", "unix:///data#1/redis.sock"),
    ("HOST", "localhost:8000"),
    ("HOST", "fe80::1%eth0"),
    ("DATA_DIR", "/etc/passwd"),
    ("DATA_DIR", "/etc/passwd/below"),
    ("DATA_DIR", "/proc/cannot-be-made"),
    ("DATA_DIR", "/tmp" + "/long" * 100),
    ("DATA_DIR", "/tmp/\udcff"),
    ("DATA_DIR", "~nobody-of-this-name/data"),
    ("ALLOWED_HOSTS", ","),
    ("CSRF_TRUSTED_ORIGINS", " , "),
    ("DEMO", "maybe"),
    ("LOG_LEVEL", "LOUD"),
    ("LOG_FORMAT", "xml"),
    ("METRICS_ADDRESSES", "localhost"),
    ("METRICS_ADDRESSES", "10.0.0.1/8"),
    ("RATE_LIMIT_PER_TOKEN", "600"),
    ("RATE_LIMIT_PER_TOKEN", "0/min"),
    ("RATE_LIMIT_PER_ADDRESS", "600/fortnight"),
    ("RATE_LIMIT_PER_ADDRESS", "-1/s"),
    ("WRITE_WAIT_SECONDS", "ten"),
    ("WRITE_WAIT_SECONDS", "nan"),
    ("WRITE_BATCH_MAX_WRITES", "1.5"),
    ("WRITE_SYNCHRONOUS", "OFF"),
    ("WRITE_MAX_DELIVERIES", "2"),
    ("WRITE_REQUIRE_IF_MATCH", "2"),
]

CHECK_EACH = """
import gc, json, os, runpy, sys
# What needs no settings, and takes most of the time.
import django.core.management, kombu, project.data_dir, project.databases, project.secret_key, workers.up
gc.freeze()  # else each fork would look through it all as it ends
codes = []
for directory, name, value in json.load(sys.stdin):
    if os.fork() == 0:
        os.dup2(os.open(f"{directory}/stderr", os.O_WRONLY | os.O_CREAT), 2)
        os.environ.update({"DATA_DIR": directory, name: value})
        sys.argv = ["manage.py", "check"]
        runpy.run_path("manage.py", run_name="__main__")
        sys.exit()
    codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
print(codes)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """What `manage.py check` says of each bad value, every time in a process of its own."""
    directories = [tmp_path_factory.mktemp("bad") for _ in BAD_VALUES]
    cases = [(str(directory), *value) for directory, value in zip(directories, BAD_VALUES, strict=True)]
    codes = subprocess.run(
        [sys.executable, "-c", CHECK_EACH],
        cwd=BASE_DIR,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert json.loads(codes) == [1] * len(cases)
    return {
        value: (directory / "stderr").read_text()
        for directory, value in zip(directories, BAD_VALUES, strict=True)
    }


@pytest.mark.xdist_group("environment")
@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_bad_value_is_named_in_one_line(name: str, value: str, said: dict[tuple[str, str], str]) -> None:
    [line] = said[name, value].strip().splitlines()

    assert line.startswith(f"manage.py: {name}=")
    assert repr(value.strip())[1:-1] in line


def test_every_setting_of_the_write_path_can_be_given_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for setting in all_settings():
        default = setting.default
        given = {bool: "1", int: str(int(setting.at_most)), float: str(setting.at_most), str: "x"}[
            type(default)
        ]
        if setting.choices:
            given = setting.choices[-1]
        monkeypatch.setenv(setting.name, given)
        value = environment.read(setting)
        assert type(value) is type(default)
        assert value != default


def test_a_value_past_its_range_names_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "11")
    with pytest.raises(InvalidEnvironment, match="X=11 is out of range; use 1 to 10"):
        environment.integer("X", 5, at_least=1, at_most=10)


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " ")
    assert environment.integer("X", 5, at_least=1, at_most=10) == 5


@pytest.mark.parametrize("host", ["example.org:8000", "http://example.org", "::1", "a b"])
def test_a_host_that_no_request_could_match_is_named(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("X", f"localhost,{host}")

    with pytest.raises(InvalidEnvironment, match=r"^X: ") as caught:
        environment.allowed_hosts("X", [])

    assert repr(host) in str(caught.value)


@pytest.mark.parametrize("host", ["*", ".example.org", "example.org", "[::1]", "10.0.0.1", "my_host"])
def test_hosts_as_django_knows_them_are_taken(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("X", host)

    assert environment.allowed_hosts("X", []) == [host]


@pytest.mark.parametrize(("given", "host"), [("[::1]", "::1"), ("::1", "::1"), ("localhost", "localhost")])
def test_an_address_to_listen_at_has_no_brackets(
    monkeypatch: pytest.MonkeyPatch, given: str, host: str
) -> None:
    monkeypatch.setenv("X", given)

    assert environment.host("X", "") == host


def test_a_path_is_taken_literally(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X", f"{tmp_path}/with a blank at the end ")

    assert environment.path("X", tmp_path) == tmp_path / "with a blank at the end "


@pytest.mark.parametrize(
    "program",
    [
        ["celery", "--quiet", "-A", "project", "worker"],
        ["celery", "-A", "workers.up.own_tasks", "worker"],
        ["gunicorn", "project.wsgi:application", "--config", "workers/web/gunicorn_conf.py"],
        ["manage", "writer"],
        ["manage", "writer", "--watchdog"],
    ],
)
@pytest.mark.parametrize(("name", "value"), [("DATA_DIR", "/dev/null"), ("WEB_PROCESSES", "abc")])
def test_every_program_ends_with_the_one_line(
    program: list[str], name: str, value: str, tmp_path: Path
) -> None:
    variables = {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "project.settings", name: value}

    done = forks.run([sys.executable, "-m", *program], env=os.environ | variables, cwd=BASE_DIR, timeout=60)

    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert line.removeprefix("manage.py: ").startswith(f"{name}={value!r} is not a ")


def test_a_secret_is_read_from_the_file_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret_key"
    file.write_text("kept elsewhere\n")
    monkeypatch.setenv("X_FILE", str(file))

    assert environment.content_of("X_FILE") == "kept elsewhere"
    assert environment.content_of("Y_FILE") == ""


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot be read: No such file"), (" \n", "is empty")])
def test_a_secret_that_is_not_there_is_named_with_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "secret_key"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("X_FILE", str(file))

    with pytest.raises(environment.InvalidEnvironment, match=f"X_FILE='{file}' {reason}"):
        environment.content_of("X_FILE")


@pytest.mark.parametrize("prefix", ["a*", "a?", "[a]", "{}", "a%s", "a b", "a\n", " ", "x" * 65, "é"])
def test_a_key_prefix_that_would_be_a_pattern_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("WRITE_KEY_PREFIX", prefix)

    with pytest.raises(environment.InvalidEnvironment, match="WRITE_KEY_PREFIX=") as refused:
        environment.read(WriteSettings.WRITE_KEY_PREFIX)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "own"),
    [("192.0.2.7", "192.0.2.7"), ("fe80::1", "[fe80::1]"), ("Box.example", "box.example")],
)
def test_the_host_that_is_listened_at_is_served(host: str, own: str) -> None:
    assert environment.own_names(host) == ["localhost", "127.0.0.1", "[::1]", own]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1", "localhost"])
def test_all_addresses_name_no_host_of_their_own(host: str) -> None:
    assert environment.own_names(host) == ["localhost", "127.0.0.1", "[::1]"]


def test_every_setting_of_the_write_path_is_read_from_the_environment() -> None:
    source = (BASE_DIR / "project" / "settings.py").read_text()

    for setting in all_settings():
        if setting.name == "WRITE_OUTSIDE_WRITER":
            continue  # of the code: whether its views hand their writes over
        assert f"\n{setting.name} = environment.read(WriteSettings.{setting.name})\n" in source


def test_a_variable_under_its_former_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITE_MAX_DEATHS", "5")

    with pytest.raises(InvalidEnvironment, match="WRITE_MAX_DEATHS is called WRITE_MAX_DELIVERIES now"):
        environment.refuse_retired()


@pytest.mark.parametrize("name", ["WRITE_PACE_SECONDS", "WRITE_LINGER_SECONDS"])
def test_a_variable_that_is_needed_no_more_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "0.1")

    with pytest.raises(InvalidEnvironment, match=f"{name} is no setting any more, because the "):
        environment.refuse_retired()


@pytest.mark.parametrize(
    ("text", "rate"),
    [("600/min", (600, 60)), ("5/s", (5, 1)), ("1/day", (1, 86_400)), ("9999999/hour", (9_999_999, 3_600))],
)
def test_a_rate_is_a_number_and_a_unit(
    monkeypatch: pytest.MonkeyPatch, text: str, rate: tuple[int, int]
) -> None:
    monkeypatch.setenv("RATE_LIMIT_PER_TOKEN", text)

    assert environment.rate("RATE_LIMIT_PER_TOKEN") == rate


def test_a_replica_needs_a_server_to_follow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_READ_URL", "postgresql://u:secret@h/n")
    with pytest.raises(InvalidEnvironment, match="DATABASE_READ_URL is for a replica") as refused:
        databases.of_environment(tmp_path)
    assert "secret" not in str(refused.value)

    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@primary/n")
    named = databases.of_environment(tmp_path)
    assert {alias: one["HOST"] for alias, one in named.items()} == {"default": "primary", "replica": "h"}
