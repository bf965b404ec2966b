"""Where a store is moved to, by a URL or by a name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.db.utils import ConnectionHandler

from workers.database_url import POSTGRESQL_OPTIONS
from workers.moving.checking import refuse_source
from workers.moving.errors import NotMoved
from workers.moving.target import ALIAS, alias_of
from workers.store import replica


@pytest.fixture(autouse=True)
def _leave_nothing() -> Iterator[None]:
    yield
    for alias in (ALIAS, replica.ALIAS):
        connections.settings.pop(alias, None)


def test_a_server_that_is_cut_off_is_noticed_as_soon_as_that_of_the_service() -> None:
    options = connections.settings[alias_of("postgresql://u@h/n?sslmode=require&connect_timeout=9")][
        "OPTIONS"
    ]

    said = {"sslmode": "require", "connect_timeout": options["connect_timeout"]}
    assert options == POSTGRESQL_OPTIONS | said
    assert int(options["connect_timeout"]) == 9


def test_of_several_hosts_it_is_the_primary() -> None:
    settings = connections.settings[alias_of("postgresql://u@h1,h2/n")]

    assert (settings["HOST"], settings["OPTIONS"]["target_session_attrs"]) == ("h1,h2", "primary")


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("default", "is the store itself"),
        (replica.ALIAS, "a replica of the store"),
        ("third", "DATABASES has no 'third'"),
        ("postgresql://u@h/", "names no database"),
    ],
)
def test_what_is_no_target_is_refused(to: str, why: str) -> None:
    connections.settings[replica.ALIAS] = connections.settings["default"]

    with pytest.raises(NotMoved, match=why):
        alias_of(to)


@pytest.mark.django_db
def test_a_file_in_a_directory_that_is_not_there_is_named_with_it(tmp_path: Path) -> None:
    handler = ConnectionHandler({"default": {}, "target": dj_file(tmp_path / "missing" / "store.sqlite3")})

    with pytest.raises(NotMoved) as refused:
        refuse_source(connections["default"], handler["target"])

    assert f"({tmp_path}/missing/store.sqlite3). There is no directory {tmp_path}/missing" in str(
        refused.value
    )


def dj_file(path: Path) -> dict[str, object]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
