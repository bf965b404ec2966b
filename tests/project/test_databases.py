"""DATABASE_URL is read strictly, and may name several hosts of one PostgreSQL."""

from pathlib import Path
from typing import Any

import pytest

from project import databases
from workers.conf import WriteSettings
from workers.environment import InvalidEnvironment


def of(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setenv("DATABASE_URL", url)
    return databases.of_environment(Path("/data"))["default"]


def test_of_several_hosts_each_connection_goes_to_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    found = of("postgresql://ada:p%40ss@db1:6000,[fe80::1],db3/store", monkeypatch)

    assert (found["HOST"], found["PORT"]) == ("db1,fe80::1,db3", "6000,5432,5432")
    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("ada", "p@ss", "store")
    assert found["OPTIONS"]["target_session_attrs"] == "primary"  # type: ignore[index]
    assert found["OPTIONS"]["connect_timeout"] == 3  # type: ignore[index]


def test_what_the_url_says_of_the_session_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://db1,db2/store?target_session_attrs=read-write&sslmode=require"

    options = of(url, monkeypatch)["OPTIONS"]

    assert options["target_session_attrs"] == "read-write"  # type: ignore[index]
    assert options["sslmode"] == "require"  # type: ignore[index]


def test_of_several_replicas_one_is_read_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db1,db2/store")
    monkeypatch.setenv("DATABASE_READ_URL", "postgresql://db1,db2/store")

    found = databases.of_environment(Path("/data"))

    kinds = {alias: one["OPTIONS"]["target_session_attrs"] for alias, one in found.items()}
    assert kinds == {"default": "primary", "replica": "prefer-standby"}


def test_one_host_is_used_whatever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    options = of("postgresql://db1/store", monkeypatch)["OPTIONS"]

    assert "target_session_attrs" not in options  # type: ignore[operator]


def test_a_server_that_is_cut_off_is_noticed_before_a_write_counts_as_hanging(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: Any = of("postgresql://db1/store", monkeypatch)["OPTIONS"]
    of_idle = options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"]

    limit = WriteSettings.WRITE_TIME_LIMIT_SECONDS.default
    assert max(of_idle, options["tcp_user_timeout"] / 1000) <= limit - 1


@pytest.mark.parametrize("places", ["db1,", ",db2", "db1,db2:x", "db1,db2:70000"])
def test_a_host_that_is_none_is_refused_without_the_password(
    places: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidEnvironment, match="DATABASE_URL is no URL of a database") as raised:
        of(f"postgresql://ada:secret@{places}/store", monkeypatch)

    assert "secret" not in str(raised.value)
