"""What is done to the hosts. Each function is one trial: it breaks something, awaits writes, and mends it.

It returns the moment of the break and that from which writes had gone on, or the end of the break where they
never stopped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.e2e.service import PYTHON
from tests.hosts.network import Host, cut, mend
from tests.hosts.service import Hosts
from tests.waiting import until


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of one trial, in seconds since 1970."""

    broken_at: float
    well_at: float
    epoch: int = 0
    """That of the writer at the break, where another one has to follow."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of break."""

    name: str
    trial: Callable[[Hosts, Random], Moments]
    trials: int
    replicas_to_accept: int = 1
    may_lose: bool = False
    """Whether accepted writes that were not committed may be lost: what is asynchronous was told so."""


def _new_epoch(hosts: Hosts, broken_at: float, epoch: int) -> Moments:
    hosts.until_committed(broken_at, above=epoch)
    return Moments(broken_at=broken_at, well_at=time.time(), epoch=epoch)


def _goes_on(hosts: Hosts, broken_at: float) -> Moments:
    hosts.until_committed(time.time())
    return Moments(broken_at=broken_at, well_at=time.time())


def kill_worker(hosts: Hosts, chance: Random) -> Moments:
    epoch, host = hosts.lease()
    broken_at = time.time()
    host.kill("writer")
    moments = _new_epoch(hosts, broken_at, epoch)
    hosts.start(host)
    return moments


def cut_writer_from_postgresql(hosts: Hosts, chance: Random) -> Moments:
    """Until the other one writes, and for up to 3 s more; then the former one can reach the server again."""
    epoch, host = hosts.lease()
    broken_at = time.time()
    cut(host, hosts.database.hosts)
    moments = _new_epoch(hosts, broken_at, epoch)
    time.sleep(chance.uniform(0, 3))
    mend(host, hosts.database.hosts)
    return moments


def cut_writer_from_postgresql_for_a_moment(hosts: Hosts, chance: Random) -> Moments:
    """For so long that nobody, the server alone, or both sides may have given the connection up."""
    _, host = hosts.lease()
    broken_at = time.time()
    cut(host, hosts.database.hosts)
    time.sleep(chance.uniform(0.5, 6))
    mend(host, hosts.database.hosts)
    return _goes_on(hosts, broken_at)


def cut_writer_from_redis(hosts: Hosts, chance: Random) -> Moments:
    epoch, host = hosts.lease()
    broken_at = time.time()
    cut(host, hosts.queue.hosts)
    moments = _new_epoch(hosts, broken_at, epoch)
    mend(host, hosts.queue.hosts)
    return moments


COMMAND = """
import django, time; django.setup()
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("UPDATE auth_user SET first_name = first_name")
    print("holds the store lock", flush=True)
    time.sleep(300)
"""


def cut_command_from_postgresql(hosts: Hosts, chance: Random) -> Moments:
    """While it holds the store lock: nobody writes until the server knows that it is gone."""
    host = chance.choice(hosts.web)
    said = host.count_of("command", "holds the store lock")
    host.start("command", [PYTHON, "-c", COMMAND], env=hosts.environment(host))
    until(lambda: host.count_of("command", "holds the store lock") > said, seconds=60, what="the command")
    broken_at = time.time()
    cut(host, hosts.database.hosts)
    moments = _goes_on(hosts, broken_at)
    host.kill("command")
    mend(host, hosts.database.hosts)
    return moments


def cut_redis_master(hosts: Hosts, chance: Random) -> Moments:
    """From the other Redis hosts alone: all others still reach it, and another one becomes the master."""
    former = hosts.queue.master()
    others = [host for host in hosts.queue.hosts if host is not former]
    broken_at = time.time()
    cut(former, others)
    until(lambda: hosts.queue.master() != former, seconds=30, what="another master")
    time.sleep(chance.uniform(0, 3))
    mend(former, others)
    until(hosts.queue.is_complete, seconds=60, what="one master again")
    return _goes_on(hosts, broken_at)


def cut_web_from_redis(hosts: Hosts, chance: Random) -> Moments:
    return _cut_web(hosts, chance.choice(hosts.web), hosts.queue.hosts)


def cut_web_from_postgresql(hosts: Hosts, chance: Random) -> Moments:
    return _cut_web(hosts, chance.choice(hosts.web), hosts.database.hosts)


def _cut_web(hosts: Hosts, host: Host, others: list[Host]) -> Moments:
    broken_at = time.time()
    cut(host, others)
    time.sleep(8)
    mended_at = time.time()
    mend(host, others)
    return Moments(broken_at=broken_at, well_at=mended_at)


def end_web_host(hosts: Hosts, chance: Random) -> Moments:
    host = chance.choice(hosts.web)
    broken_at = time.time()
    host.die()
    time.sleep(8)
    moments = Moments(broken_at=broken_at, well_at=time.time())
    host.plug_in()
    hosts.start(host)
    return moments


def end_writer_host(hosts: Hosts, chance: Random) -> Moments:
    epoch, host = hosts.lease()
    broken_at = time.time()
    host.die()
    moments = _new_epoch(hosts, broken_at, epoch)
    host.plug_in()
    hosts.start(host)
    return moments


def kill_redis_master(hosts: Hosts, chance: Random) -> Moments:
    return _fail_redis_over(hosts, lambda host: host.kill("redis"))


def end_redis_host(hosts: Hosts, chance: Random) -> Moments:
    """The host of the master and of one Sentinel."""
    return _fail_redis_over(hosts, Host.die)


def _fail_redis_over(hosts: Hosts, end: Callable[[Host], None]) -> Moments:
    former = hosts.queue.master()
    broken_at = time.time()
    end(former)
    until(lambda: hosts.queue.master() != former, seconds=30, what="another master")
    moments = _goes_on(hosts, broken_at)
    former.plug_in()
    hosts.queue.revive(former)
    return moments


def kill_postgresql_and_promote(hosts: Hosts, chance: Random) -> Moments:
    return _fail_postgresql_over(hosts, lambda host: host.kill("postgresql"))


def end_postgresql_host_and_promote(hosts: Hosts, chance: Random) -> Moments:
    return _fail_postgresql_over(hosts, Host.die)


def _fail_postgresql_over(hosts: Hosts, end: Callable[[Host], None]) -> Moments:
    former = hosts.database.primary
    broken_at = time.time()
    end(former)
    hosts.database.promote()
    moments = _goes_on(hosts, broken_at)
    former.plug_in()
    hosts.database.add_replica(former)
    return moments


def end_replica_host(hosts: Hosts, chance: Random) -> Moments:
    """The synchronous replica: no commit is told until an operator has the primary go on without it."""
    host = hosts.database.replica
    broken_at = time.time()
    host.die()
    time.sleep(3)
    hosts.database.go_on_alone()
    moments = _goes_on(hosts, broken_at)
    host.plug_in()
    hosts.database.add_replica(host)
    return moments


ALL = (
    Scenario(name="writer's worker killed", trial=kill_worker, trials=20),
    Scenario(
        name="writer's host cut off from PostgreSQL",
        trial=cut_writer_from_postgresql,
        trials=10,
    ),
    Scenario(
        name="writer's host cut off from PostgreSQL for 0.5 to 6 s",
        trial=cut_writer_from_postgresql_for_a_moment,
        trials=5,
    ),
    Scenario(name="writer's host cut off from Redis", trial=cut_writer_from_redis, trials=5),
    Scenario(
        name="a command's host cut off from PostgreSQL, with the store lock",
        trial=cut_command_from_postgresql,
        trials=3,
    ),
    Scenario(name="web host cut off from Redis", trial=cut_web_from_redis, trials=3),
    Scenario(name="web host cut off from PostgreSQL", trial=cut_web_from_postgresql, trials=3),
    Scenario(name="web host dead", trial=end_web_host, trials=3),
    Scenario(name="writer's host dead", trial=end_writer_host, trials=3),
    Scenario(name="Redis's master killed, WAIT 1", trial=kill_redis_master, trials=10),
    Scenario(name="Redis master's host dead, WAIT 1", trial=end_redis_host, trials=3),
    Scenario(name="Redis's master cut off from the other two, WAIT 1", trial=cut_redis_master, trials=3),
    Scenario(name="PostgreSQL killed, replica promoted", trial=kill_postgresql_and_promote, trials=5),
    Scenario(
        name="PostgreSQL's host dead, replica promoted",
        trial=end_postgresql_host_and_promote,
        trials=3,
    ),
    Scenario(name="replica's host dead, primary told after 3 s", trial=end_replica_host, trials=2),
    Scenario(
        name="Redis's master killed, no WAIT",
        trial=kill_redis_master,
        trials=10,
        replicas_to_accept=0,
        may_lose=True,
    ),
    Scenario(
        name="Redis's master cut off from the other two, no WAIT",
        trial=cut_redis_master,
        trials=3,
        replicas_to_accept=0,
        may_lose=True,
    ),
)
