"""Fixtures. In conftest.py: `pytest_plugins = ["workers.testing.pytest"]`."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from workers.testing import live
from workers.testing.at_once import SETTING


@pytest.fixture
def writes_at_once() -> Iterator[None]:
    """Have each write applied when it is submitted, in the test's own transaction."""
    with override_settings(**SETTING):
        yield


@pytest.fixture
def live_writer(transactional_db: None) -> Iterator[None]:
    """A Redis and a writer of the test's own, in other processes; takes some seconds to start."""
    with live.live_writer():
        yield
