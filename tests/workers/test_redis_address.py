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

from workers.cache import SharedRedisCache
from workers.redis_address import InvalidRedisAddress, RedisAddress, parse, without_password
from workers.stream.redis_pools import Pool, broker_options
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


def sentinels_of_redis_py(address: RedisAddress) -> list[dict[str, Any]]:
    pool: Any = Pool.from_url(address.url)
    return [_known(one.connection_pool.connection_kwargs) for one in pool.sentinel_manager.sentinels]


def pool_of_kombu(address: RedisAddress) -> Any:
    options = broker_options(address)
    connection: Any = Connection(address.broker_url, transport_options=options)
    transport = connection.get_transport_cls()
    bare = transport.Channel.__new__(transport.Channel)
    bare.connection = transport(connection)
    for name, value in options.items():
        setattr(bare, name, value)
    return bare._sentinel_managed_pool()


def _known(given: dict[str, Any]) -> dict[str, Any]:
    names = ("host", "port", "db", "username", "password", "ssl_cert_reqs", "ssl_check_hostname")
    return {name: given.get(name) or None for name in names}


@given(
    hosts=st.lists(
        st.tuples(st.sampled_from(["localhost", "10.0.0.1", "::1", "fe80::1%eth0"]), st.integers(1, 65_535)),
        min_size=1,
        max_size=3,
    ),
    master=words,
    login=st.tuples(st.just("") | words, words),
    sentinel_login=st.just(("", "")) | st.tuples(words, words),
    database=st.integers(0, 15),
    tls=st.none()
    | st.sampled_from([parse(f"rediss://h?ssl_cert_reqs={way}").tls for way in ("none", "required")]),
)
def test_every_address_of_sentinels_is_read_as_itself(
    hosts: list[tuple[str, int]],
    master: str,
    login: tuple[str, str],
    sentinel_login: tuple[str, str],
    database: int,
    tls: dict[str, str] | None,
) -> None:
    address = RedisAddress(
        sentinels=tuple(hosts),
        master=master,
        username=login[0],
        password=login[1],
        sentinel_username=sentinel_login[0],
        sentinel_password=sentinel_login[1],
        database=database,
        tls=tls,
    )

    assert parse(address.url) == address
    each = sentinels_of_redis_py(address)
    assert [(one["host"], one["port"]) for one in each] == hosts
    assert {one["password"] or "" for one in each} == {sentinel_login[1]}
    pool: Any = Pool.from_url(address.url)
    assert pool.service_name == master
    assert _known(pool.connection_kwargs)["password"] == login[1]
    brokers = pool_of_kombu(address)
    assert brokers.service_name == master
    assert _known(brokers.connection_kwargs)["username"] == _known(pool.connection_kwargs)["username"]
    assert brokers.connection_kwargs["db"] == pool.connection_kwargs["db"] == database
    assert [
        _known(one.connection_pool.connection_kwargs) for one in brokers.sentinel_manager.sentinels
    ] == each
    assert ("ssl_cert_reqs" in brokers.connection_kwargs) == (tls is not None)
    cache: Any = SharedRedisCache(address.url, {})
    assert cache._servers == [address.url]


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a,b:26379,[::1]:26380/main",
        "redis+sentinel://a,b,[::1]:26380/main/",
        "redis+sentinel://a,b,[::1]:26380/main/0",
        "redis+sentinel://a,b,[::1]:26380/main?db=0",
    ],
)
def test_what_is_left_out_of_an_address_of_sentinels(url: str) -> None:
    sentinels = (("a", 26379), ("b", 26379), ("::1", 26380))

    assert parse(url) == RedisAddress(sentinels=sentinels, master="main")


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
        "redis+sentinel://h",
        "redis+sentinel://h/",
        "redis+sentinel:///main",
        "redis+sentinel://a,,b/main",
        "redis+sentinel://a:0/main",
        "redis+sentinel://a:99999,b/main",
        "redis+sentinel://a/main/zero",
        "redis+sentinel://a/main/1/2",
        "redis+sentinel://a/main?ssl_cert_reqs=none",
        "redis+sentinel://a/main?sentinel_pass=x",
        "redis+sentinel://:se/cret@a/main",
        "redis+sentinel://a/main?sentinel_password=se#cret",
        "redis://h?sentinel_password=secret",
        "unix+sentinel://a/main",
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
