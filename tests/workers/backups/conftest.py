from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker


@pytest.fixture(autouse=True)
def _opens_stores(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let connections be made as Django makes them, to the stores of these tests."""
    with django_db_blocker.unblock():
        yield
