"""What doctor says of a PostgreSQL store."""

from dataclasses import replace

import pytest

from workers import ReplicaState
from workers.doctor import Level, postgresql_store

GOOD = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({}, Level.OK),
        ({"synchronous_commit": "remote_apply"}, Level.OK),
        ({"synchronous_commit": "off"}, Level.WARNING),
        ({"fsync": "off"}, Level.ERROR),
        ({"full_page_writes": "off"}, Level.ERROR),
    ],
)
def test_what_a_power_loss_can_take_is_said(settings: dict[str, str], level: Level) -> None:
    assert postgresql_store.judge_durability(GOOD | settings).level is level


def test_versions_isolation_and_numbers_are_judged() -> None:
    assert postgresql_store.judge_version(130_011).level is Level.ERROR
    assert postgresql_store.judge_version(170_002).msg == "PostgreSQL 17.2."
    assert postgresql_store.judge_isolation("serializable").level is Level.WARNING
    assert postgresql_store.judge_isolation("read committed").level is Level.OK
    assert postgresql_store.judge_connections(79, 100, 40).level is Level.OK
    assert postgresql_store.judge_connections(80, 100, 40).level is Level.WARNING
    assert postgresql_store.judge_connections(9, 100, 91).level is Level.WARNING
    long = postgresql_store.judge_transactions([(7, "psql", 90)])
    assert (
        "psql (pid 7 on the server) has one open for 90 s" in long.msg
        and "pg_terminate_backend(7)" in long.hint
    )
    assert postgresql_store.judge_transactions([]).level is Level.OK
    assert postgresql_store.judge_replicas([("two", "sync", 0.1)]).level is Level.OK
    assert "None is synchronous" in postgresql_store.judge_replicas([("two", "async", None)]).msg
    late = ReplicaState(behind_bytes=8, behind_seconds=60)
    assert "60 s behind" in postgresql_store.judge_read_replica(late).msg
    assert postgresql_store.judge_read_replica(replace(late, behind_seconds=0.1)).level is Level.OK
    assert postgresql_store.judge_dead_rows([("items_item", 200_000, 3)]).level is Level.WARNING


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_server_is_examined_in_all_these_ways() -> None:
    found = {finding.name: finding for finding in postgresql_store.examine()}

    assert {name for name, finding in found.items() if finding.level is Level.ERROR} == {"store.durability"}
    assert len(found) == 9  # the cluster of the tests has fsync off
