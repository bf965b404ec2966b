"""Everybody who uses Redis finds the master by its Sentinels, with logins of both, and over TLS."""

import asyncio
import gc
import socket
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import override_settings
from kombu import Connection

from tests import redis_servers
from tests.redis_servers import Fleet
from tests.waiting import until
from workers.cache import SharedRedisCache
from workers.redis_address import RedisAddress, parse
from workers.stream.link import open_link
from workers.stream.redis_client import connect
from workers.stream.redis_pools import CUT_OFF_SECONDS, broker_options, says_replica
from workers.up import embedded_redis

SERVER_LOGIN = """\
requirepass {secret}
masterauth {secret}
user app on >app-{secret} ~* &* +@all
"""
SENTINEL_LOGIN = """\
requirepass {secret}
sentinel auth-pass main {secret}
"""
TLS = """\
port 0
tls-port {port}
tls-replication yes
tls-cert-file {above}/cert.pem
tls-key-file {above}/key.pem
tls-ca-cert-file {above}/cert.pem
tls-auth-clients no
"""
SECRET = "s3cr:et/"


def use_all(address: RedisAddress) -> None:
    """Use Redis in each way in which it is used."""
    with connect(timeout_seconds=5, url=address.url) as client:
        client.set("by", "client")
    with override_settings(REDIS_URL=address.url):
        assert asyncio.run(_by_link()) == b"client"
    cache: Any = SharedRedisCache(address.url, {"OPTIONS": {"socket_timeout": 5}})
    cache.set("by", "cache")
    assert cache.get("by") == "cache"
    for pool in cache._cache._pools.values():
        pool.disconnect()
    with warnings.catch_warnings():
        # kombu leaves connections to be collected, which would be an error of whichever test runs then.
        warnings.simplefilter("ignore", ResourceWarning)
        use_broker(address)
        gc.collect()


def use_broker(address: RedisAddress) -> None:
    with Connection(address.broker_url, transport_options=broker_options(address)) as connection:
        with connection.SimpleQueue("queue") as queue:
            queue.put("broker")
            message = queue.get(timeout=5)
            message.ack()
        assert message.payload == "broker"


async def _by_link() -> Any:
    replied = asyncio.get_running_loop().create_future()
    link = await open_link("c", timeout_seconds=5, on_message=lambda message: None, on_lost=lambda exc: None)
    link.send("GET", "by", then=replied.set_result)
    try:
        return await replied
    finally:
        link.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A master and a Sentinel, each with a password."""
    with redis_servers.running(
        tmp_path_factory.mktemp("redis"),
        servers=1,
        sentinels=1,
        more=SERVER_LOGIN.format(secret=SECRET),
        more_of_sentinels=SENTINEL_LOGIN.format(secret=SECRET),
        password=SECRET,
    ) as fleet:
        yield fleet


def of(fleet: Fleet, **given: Any) -> RedisAddress:
    sentinels = tuple(("127.0.0.1", port) for port in fleet.sentinels)
    return RedisAddress(sentinels=sentinels, master=redis_servers.MASTER, **given)


def test_all_log_in_at_the_sentinels_and_at_the_master(guarded: Fleet) -> None:
    use_all(of(guarded, password=SECRET, sentinel_password=SECRET))
    use_all(of(guarded, username="app", password=f"app-{SECRET}", sentinel_password=SECRET))


@pytest.mark.parametrize("wrong", ["password", "sentinel_password"])
def test_a_wrong_password_is_an_error_that_does_not_show_it(guarded: Fleet, wrong: str) -> None:
    given = {"password": SECRET, "sentinel_password": SECRET} | {wrong: "typo"}

    with (
        connect(timeout_seconds=2, url=of(guarded, **given).url) as client,
        pytest.raises(redis.ConnectionError) as caught,
    ):
        client.ping()

    assert "typo" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_sentinel_that_is_gone_is_passed_by(guarded: Fleet) -> None:
    address = of(guarded, password=SECRET, sentinel_password=SECRET)
    gone = (("127.0.0.1", 1), *address.sentinels)

    use_all(parse(address.url.replace("127.0.0.1:", f"127.0.0.1:{gone[0][1]},127.0.0.1:", 1)))


def clients(fleet: Fleet, port: int) -> set[str]:
    """Return the ids of the connections at a server, but for the one that asks."""
    with fleet.client(port) as asking:
        return {one["id"] for one in asking.client_list()} - {f"{asking.client_id()}"}


def test_a_closed_client_leaves_no_connection_open(guarded: Fleet) -> None:
    ports = (*guarded.servers, *guarded.sentinels)
    before = {port: clients(guarded, port) for port in ports}
    client = connect(timeout_seconds=5, url=of(guarded, password=SECRET, sentinel_password=SECRET).url)
    client.ping()
    assert all(clients(guarded, port) - before[port] for port in ports)

    client.close()

    until(
        lambda: all(clients(guarded, port) <= before[port] for port in ports),
        what="no connection more than before",
    )


def given_up_after_seconds(sock: socket.socket) -> float:
    """Return when the kernel ends a connection whose other host acknowledges nothing, idle or not."""
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    idle, interval, most_milliseconds = (
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
    )
    assert idle + interval <= most_milliseconds / 1000
    return most_milliseconds / 1000


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
@pytest.mark.parametrize("by_sentinel", [True, False])
def test_a_connection_to_a_host_that_is_gone_is_given_up_by_the_kernel(
    guarded: Fleet, by_sentinel: bool
) -> None:
    address = of(guarded, password=SECRET, sentinel_password=SECRET)
    if not by_sentinel:
        address = RedisAddress(host="127.0.0.1", port=guarded.servers[0], password=SECRET)

    async def of_link() -> float:
        with override_settings(REDIS_URL=address.url):
            link = await open_link(
                "c", timeout_seconds=5, on_message=lambda message: None, on_lost=lambda exc: None
            )
        writer: Any = link._connection._writer
        found = given_up_after_seconds(writer.get_extra_info("socket"))
        link.close()
        return found

    with connect(timeout_seconds=5, url=address.url) as client:
        connection: Any = client.connection_pool.get_connection()
        of_client = given_up_after_seconds(connection._sock)
    with Connection(address.broker_url, transport_options=broker_options(address)) as broker:
        channel: Any = broker.default_channel
        of_broker = given_up_after_seconds(channel.client.connection_pool.get_connection()._sock)

    assert {of_client, of_broker, asyncio.run(of_link())} == {CUT_OFF_SECONDS}


WRITES = [("SET", "a", "1"), ("EVAL", "redis.call('SET', 'a', 1)", "0")]


@pytest.mark.parametrize("write", WRITES, ids=["command", "script"])
def test_a_client_leaves_a_master_that_has_become_a_replica(tmp_path: Path, write: tuple[str, ...]) -> None:
    with redis_servers.running(tmp_path, servers=2, sentinels=1) as fleet:
        former, other = fleet.servers
        with connect(timeout_seconds=5, url=fleet.url) as client, override_settings(REDIS_URL=fleet.url):
            assert client.client_id()
            told = asyncio.run(_by_link_to_former(fleet, former, other, write))

            with pytest.raises(redis.ConnectionError):
                client.execute_command(*write)

    assert says_replica(told[0])
    assert isinstance(told[1], redis.ConnectionError)


async def _by_link_to_former(fleet: Fleet, former: int, other: int, write: tuple[str, ...]) -> list[Any]:
    """Return what is told of a write and of its link once the master at its other end is a replica."""
    told: list[Any] = []
    lost = asyncio.get_running_loop().create_future()
    link = await open_link("c", timeout_seconds=5, on_message=lambda message: None, on_lost=lost.set_result)
    with fleet.client(former) as client:
        client.replicaof("127.0.0.1", other)
    link.send(*write, then=told.append)
    told.append(await asyncio.wait_for(lost, 5))
    return told


def test_all_go_over_tls(tmp_path: Path) -> None:
    binary = embedded_redis.find_binary()
    if b"tls-ca-cert-file" not in binary.read_bytes():
        pytest.skip(f"{binary} was built without TLS; put a redis-server with it on PATH")
    _make_certificate(tmp_path)
    files: dict[str, Any] = {"ssl_ca_certs": str(tmp_path / "cert.pem")}
    with redis_servers.running(
        tmp_path / "redis",
        servers=2,
        more=TLS,
        more_of_sentinels=TLS,
        ssl=True,
        **files,
    ) as fleet:
        tls = parse("rediss://h").tls
        assert tls is not None
        use_all(of(fleet, tls={**tls, **files}))
        use_all(RedisAddress(host="127.0.0.1", port=fleet.servers[0], tls={**tls, **files}))

        strangers = connect(timeout_seconds=2, url=of(fleet, tls=tls).url)
        with strangers as client, pytest.raises(redis.ConnectionError):  # its certificate is no known one's
            client.ping()


def _make_certificate(directory: Path) -> None:
    # fmt: off
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem",
    ]
    # fmt: on
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
