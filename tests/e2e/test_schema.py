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
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from project.api.examples import recorded
from project.api.schema import ERRORS
from tests import recorded_examples
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


def _shape(value: Any) -> Any:
    """Return the value with the kind of each part in its place: times, ids and lengths differ."""
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    if isinstance(value, list):
        kinds: list[Any] = []
        for part in value:
            if (kind := _shape(part)) not in kinds:
                kinds.append(kind)
        return kinds
    # A list has a link to the next page when others have made more items.
    return "text or null" if value is None or isinstance(value, str) else type(value).__name__


def test_the_examples_are_what_the_service_responds(service: Service, document: Any) -> None:
    """Renew them with python -m tests.recorded_examples."""
    now, kept = recorded_examples.record(service), recorded()

    for operation, examples in kept.items():
        for example, response in zip(examples, now[operation], strict=True):
            assert _shape(response) | {"status": response["status"]} == (
                _shape(example) | {"status": example["status"]}
            ), operation
    assert set(kept) == {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }


def test_every_status_that_the_document_names_has_an_example_or_is_said_in_words(document: Any) -> None:
    shared = {"401", "403", "429", "default", *ERRORS}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                examples = [one.get("examples") for one in response.get("content", {}).values()]
                assert status in shared or all(examples), (method, path, status)


def test_what_the_service_responds_with_is_named_by_the_document(service: Service, document: Any) -> None:
    """Those that a client brings about alone."""
    item = service.create("asked for").json()["id"]
    old = {"If-Match": '"0-0"'}
    asked: list[tuple[str, str, str, Any, dict[str, str]]] = [
        ("POST", "/api/items/", "/api/items/", {"name": ""}, {}),
        ("POST", "/api/items/", "/api/items/", {"name": "x"}, {"Content-Type": "text/plain"}),
        ("GET", "/api/items/", "/api/items/?nothing_of_the_kind=1", None, {}),
        ("GET", "/api/items/", "/api/items/", None, {"Read-After": "9" * 18}),
        ("GET", "/api/items/{id}/", "/api/items/999999/", None, {}),
        ("PUT", "/api/items/{id}/", "/api/items/999999/", {"name": "x"}, {}),
        ("PUT", "/api/items/{id}/", f"/api/items/{item}/", {"name": "x"}, old),
        ("PATCH", "/api/items/{id}/", f"/api/items/{item}/", {"name": ""}, {}),
        ("DELETE", "/api/items/{id}/", f"/api/items/{item}/", None, old),
        ("POST", "/api/items/bulk/", "/api/items/bulk/", {"items": []}, {}),
        ("GET", "/api/writes/{write_id}/", "/api/writes/1/", None, {}),
    ]
    for method, path, where, body, headers in asked:
        status = service.request(method, where, body, headers=headers).status
        assert status >= 400, (method, where)
        assert str(status) in document["paths"][path][method.lower()]["responses"], (method, where, status)


def test_every_example_is_what_its_schema_says(document: Any) -> None:
    found = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    validator = OAS31Validator(content["schema"] | {"components": document["components"]})
                    for name, example in content.get("examples", {}).items():
                        found += 1
                        errors = [error.message for error in validator.iter_errors(example["value"])]
                        assert errors == [], (method, path, status, name)
    assert found > 20


def test_every_operation_says_who_may_ask(document: Any) -> None:
    operations = [one for methods in document["paths"].values() for one in methods.values()]

    assert [one["operationId"] for one in operations if "security" not in one] == []


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
