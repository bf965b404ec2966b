"""The OpenAPI document is one, and says what the service does: schemathesis asks both, with all its checks.

A small run. The same with more cases, against any running service:

    make schemathesis URL=http://127.0.0.1:8000 TOKEN="$(cat var/demo-token)" CASES=300
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.e2e.service import BASE_DIR, Service

pytestmark = pytest.mark.xdist_group("schema")


@pytest.fixture(scope="module")
def service(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as it is shipped, without the apps of the tests, whose views fail on purpose."""
    settings = {"DJANGO_SETTINGS_MODULE": "project.settings"}
    with Service.running(prepared, tmp_path_factory.mktemp("service"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def document(service: Service) -> Any:
    return json.loads(service.get("/api/schema/?format=json", anonymous=True).body)


def test_the_document_is_valid_openapi(document: Any) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)

    assert "nullable" not in json.dumps(document)


def test_every_operation_has_a_summary_and_a_description_of_its_own(document: Any) -> None:
    operations = [one for methods in document["paths"].values() for one in methods.values()]

    summaries = [one["summary"] for one in operations]
    assert len(set(summaries)) == len(summaries) > 10
    assert all(one["description"] for one in operations)
    assert "Stands before" not in json.dumps(document)  # what the mixins say to programmers


def test_no_header_is_filled_in_beforehand(document: Any) -> None:
    parameters = [
        one
        for methods in document["paths"].values()
        for operation in methods.values()
        for one in operation.get("parameters", ())
    ]

    assert parameters
    assert [one["name"] for one in parameters if {"example", "examples"} & (one.keys() | one["schema"])] == []


def test_the_service_does_what_the_document_says(service: Service) -> None:
    config, url = BASE_DIR / "tests" / "schemathesis.toml", f"{service.url}/api/schema/?format=json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", url),
        *("--header", f"Authorization: Bearer {service.token}", "--checks", "all", "--continue-on-failure"),
        *("--max-examples", "5", "--seed", "8", "--no-color", "--generation-database", "none"),
        *("--exclude-path-regex", "^/session_"),  # they work for a second each
    ]

    # Not with tests/quick_start, which hides what it needs.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=110, cwd=service.directory, env=environment
    )

    assert run.returncode == 0, run.stdout[-5_000:] + run.stderr[-1_000:]
    assert " passed" in run.stdout
