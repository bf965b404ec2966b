import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from workers.up import embedded_redis, service
from workers.up.embedded_redis import EmbeddedRedisUnavailable


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data with 'quotes\" and spaces"


@pytest.fixture
def server(data_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        [str(embedded_redis.find_binary()), *embedded_redis.prepare(data_dir)], stdout=subprocess.DEVNULL
    ) as process:
        assert embedded_redis.wait_until_responds(embedded_redis.socket_path(data_dir), within_seconds=10)
        yield process
        process.kill()


@pytest.fixture
def client(server: "subprocess.Popen[bytes]", data_dir: Path) -> Iterator[redis.Redis]:
    with redis.Redis(
        unix_socket_path=str(embedded_redis.socket_path(data_dir)), decode_responses=True
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("no-appendfsync-on-rewrite", "no"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("port", "0"),
        ("unixsocketperm", "700"),
    ],
)
def test_the_settings_that_keep_accepted_writes_are_in_force(
    client: redis.Redis, directive: str, value: str
) -> None:
    assert client.config_get(directive) == {directive: value}


def test_the_data_lies_in_private_directories_below_data_dir(client: redis.Redis, data_dir: Path) -> None:
    assert client.config_get("dir") == {"dir": str(data_dir / "redis")}
    assert stat.S_IMODE((data_dir / "redis").stat().st_mode) == 0o700


def test_what_was_acknowledged_is_there_after_a_kill(
    client: redis.Redis, server: "subprocess.Popen[bytes]", data_dir: Path
) -> None:
    client.xadd("stream", {"write": "1"})
    server.send_signal(signal.SIGKILL)
    server.wait()

    with subprocess.Popen(
        [str(embedded_redis.find_binary()), *embedded_redis.prepare(data_dir)], stdout=subprocess.DEVNULL
    ) as successor:
        assert embedded_redis.wait_until_responds(embedded_redis.socket_path(data_dir), within_seconds=10)
        assert client.xlen("stream") == 1
        successor.kill()


def test_a_redis_that_is_not_there_does_not_respond(tmp_path: Path) -> None:
    assert not embedded_redis.wait_until_responds(tmp_path / "redis.sock", within_seconds=0.1)


def test_a_redis_that_is_stopped_does_not_respond(server: "subprocess.Popen[bytes]", data_dir: Path) -> None:
    server.send_signal(signal.SIGSTOP)

    assert not embedded_redis.responds(embedded_redis.socket_path(data_dir))


def test_a_short_data_dir_has_the_socket_inside() -> None:
    assert embedded_redis.socket_path(Path("/srv/data")) == Path("/srv/data/redis/redis.sock")


def test_a_data_dir_too_long_for_a_socket_gets_a_short_path_of_its_own() -> None:
    paths = [embedded_redis.socket_path(Path("/srv") / (letter * 120)) for letter in "ab"]

    assert all(len(os.fsencode(path)) <= 100 for path in paths)
    assert paths[0] != paths[1]


def test_redis_works_below_a_data_dir_too_long_for_a_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30)
    path = embedded_redis.socket_path(data_dir)

    with subprocess.Popen(
        [str(embedded_redis.find_binary()), *embedded_redis.prepare(data_dir)], stdout=subprocess.DEVNULL
    ) as process:
        assert embedded_redis.wait_until_responds(path, within_seconds=10)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        process.terminate()
    path.parent.rmdir()


def test_a_directory_of_the_socket_that_somebody_else_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)

    with pytest.raises(EmbeddedRedisUnavailable, match="belongs to another user"):
        embedded_redis.prepare(tmp_path)


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_redis_on_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    binary = tmp_path / name
    binary.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert embedded_redis.find_binary() == binary


def test_without_any_redis_the_message_says_in_one_line_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(EmbeddedRedisUnavailable) as caught:
        embedded_redis.find_binary()

    message = str(caught.value)
    assert "apt install redis-server" in message
    assert "REDIS_URL" in message
    assert "\n" not in message


def test_what_every_start_says_is_known_to_up(tmp_path: Path) -> None:
    command = [str(embedded_redis.find_binary()), *embedded_redis.prepare(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert embedded_redis.wait_until_responds(embedded_redis.socket_path(tmp_path), within_seconds=10)
        finally:
            process.terminate()
        assert process.stdout is not None
        lines = [line for line in process.stdout.read().splitlines() if line.strip()]

    assert lines
    assert [line for line in lines if not service._REDIS_CHATTER.search(line)] == []
