"""Where a store is moved to, by a URL or by a name."""

from collections.abc import Iterator

import pytest
from django.db import connections

from workers.database_url import POSTGRESQL_OPTIONS
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
