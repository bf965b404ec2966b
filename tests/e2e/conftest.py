from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.service import Service, prepare_data


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests that share a service of their module run in one process: each would start one."""
    for item in items:
        if not isinstance(item, pytest.Function) or item.path.parent != Path(__file__).parent:
            continue
        definitions = item._fixtureinfo.name2fixturedefs.get("service", ())
        if definitions and definitions[-1].scope == "module":
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store with the demo user, made once."""
    directory = tmp_path_factory.mktemp("prepared")
    prepare_data(directory)
    return directory


@pytest.fixture(scope="module")
def service(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service for the tests of one module that leave it well."""
    with Service.running(prepared, tmp_path_factory.mktemp("service"), {}) as running:
        yield running


@pytest.fixture
def make_service(prepared: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make a service of the test's own, with settings from the environment; nothing is started yet."""
    made: list[Service] = []

    def make(**settings: str) -> Service:
        # One web process unless the test asks for more: starting a second one takes as long as all the rest.
        given = {"WEB_PROCESSES": "1"} | settings
        made.append(Service.on_copy_of(prepared, tmp_path / f"service{len(made)}", given))
        return made[-1]

    yield make
    for service in made:
        service.stop_all()
