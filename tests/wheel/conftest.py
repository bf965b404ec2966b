from pathlib import Path

import pytest

from tests.wheel.environments import build_wheel, make_environment


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one test process run what needs the wheel: it is built once."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("wheel"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The Python of an environment with `one-writer` and no extra."""
    return make_environment(tmp_path_factory.mktemp("core"), wheel, extras=frozenset())


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The Python of an environment with `one-writer[rest,web,redis-server]`."""
    extras = frozenset({"rest", "web", "redis-server"})
    return make_environment(tmp_path_factory.mktemp("full"), wheel, extras=extras)
