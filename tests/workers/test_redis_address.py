"""One address, and redis-py, Django's cache and kombu all go to the same Redis."""

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.core.cache.backends.redis import RedisCache
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from workers.redis_address import InvalidRedisAddress, RedisAddress, parse, without_password
from workers.up import embedded_redis

NASTY = [
    "a#b",
    "a?db=3",
    "100%",
    "with%20quotes",
    "with blanks  in it",
    "semi;colon, comma",
    "user:pass@host",
    "[abc] *?",
    "ünï-日本",
    "line\nbreak\ttab",
    "back\\slash 'and' \"quotes\" $HOME `x`",
    "{braces} +plus &and =is",
]


def of_redis_py(address: RedisAddress) -> dict[str, Any]:
    given = redis.Redis.from_url(address.url).connection_pool.connection_kwargs
    return {name: given.get(name) or None for name in ("host", "port", "path", "db", "username", "password")}


def of_kombu(address: RedisAddress) -> dict[str, Any]:
    channel: Any = Connection(address.broker_url, transport_options={"socket_timeout": 1})
    # Its channel connects when it is made; what it would connect to is asked of a class that is not.
    transport = channel.get_transport_cls()
    bare = transport.Channel.__new__(transport.Channel)
    bare.connection = channel.transport
    given = bare._connparams()
    return {name: given.get(name) or None for name in ("host", "port", "path", "db", "username", "password")}


def servers_of_cache(address: RedisAddress) -> list[str]:
    cache: Any = RedisCache(address.url, {})
    return list(cache._servers)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(path=words.map(lambda name: f"/{name}/redis.sock"), database=st.integers(0, 15))
def test_every_path_of_a_socket_is_read_as_itself(path: str, database: int) -> None:
    address = RedisAddress(path=path, database=database)

    assert parse(address.url) == address
    assert of_redis_py(address)["path"] == of_kombu(address)["path"] == path
    assert (of_redis_py(address)["db"] or 0) == (of_kombu(address)["db"] or 0) == database
    assert servers_of_cache(address) == [address.url]


@given(
    host=st.sampled_from(["localhost", "10.0.0.1", "::1", "fe80::1%eth0"]),
    username=st.just("") | words,
    password=words,
    database=st.integers(0, 15),
)
def test_every_login_and_host_is_read_as_itself(
    host: str, username: str, password: str, database: int
) -> None:
    address = RedisAddress(host=host, username=username, password=password, database=database)

    assert parse(address.url) == address
    assert of_redis_py(address) == of_kombu(address)
    assert of_kombu(address)["password"] == password
    assert servers_of_cache(address) == [address.url]


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://h/", "redis://h/0", "redis://h?db=0", "redis://h:6379"]
)
def test_what_is_left_out_is_the_same_for_all(url: str) -> None:
    assert parse(url) == RedisAddress(host="h")


def test_the_database_of_a_socket_is_the_broker_s_too() -> None:
    assert of_kombu(parse("unix:///run/redis.sock?db=3"))["db"] == 3


def test_the_broker_verifies_certificates_unless_told_not_to() -> None:
    options: list[Any] = [
        Connection(parse(url).broker_url).ssl for url in ("rediss://h", "rediss://h?ssl_cert_reqs=none")
    ]

    assert [option["ssl_cert_reqs"].name for option in options] == ["CERT_REQUIRED", "CERT_NONE"]


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://h",
        "redis://h/zero",
        "redis://h/1?db=2",
        "redis://h:0",
        "redis://h:99999",
        "redis://:se/cret@h",
        "redis://:se#cret@h",
        "redis://:%FF@h",
        "redis://h?socket_timeout=9",
        "redis://h?ssl_cert_reqs=none",
        "rediss://h?ssl_cert_reqs=maybe",
        "redis://[::1",
        "unix://relative/redis.sock",
        "unix:///",
        "unix:///with#hash",
        "unix:///a%00b",
    ],
)
def test_what_the_readers_would_guess_at_is_refused(url: str) -> None:
    with pytest.raises(InvalidRedisAddress) as caught:
        parse(url)

    assert "\n" not in str(caught.value)
    assert "cret" not in str(caught.value) + without_password(url)


@pytest.mark.parametrize("name", NASTY)
def test_redis_the_cache_and_the_broker_meet_below_any_directory(name: str, tmp_path: Path) -> None:
    data_dir = tmp_path / name
    decoy = tmp_path / quote(name)
    path = embedded_redis.socket_path(data_dir)
    address = RedisAddress.of_socket(path)
    command = [str(embedded_redis.find_binary()), *embedded_redis.prepare(data_dir)]

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            assert embedded_redis.wait_until_responds(path, within_seconds=10)
            with redis.Redis.from_url(address.url, decode_responses=True) as client:
                assert client.config_get("dir") == {"dir": str(data_dir / "redis")}
                RedisCache(address.url, {}).set("cached", 1)
                with Connection(address.broker_url, transport_options={"socket_timeout": 2}) as connection:
                    connection.SimpleQueue("ring").put("ding")
                assert client.dbsize() >= 2
                assert client.llen("ring") == 1
        finally:
            server.kill()
    assert (data_dir / "redis").is_dir()
    assert name == quote(name) or not decoy.exists()
