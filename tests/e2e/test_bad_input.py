"""Whatever a client sends, the response is a clear 4xx in the one error shape, never a 5xx."""

import socket
from collections.abc import Callable

import pytest

from project.api import schema
from tests.e2e.service import Answer, Service


def assert_problem(response: Answer, status: int, code: str) -> None:
    assert response.status == status, response.body
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "code", "detail"} <= set(problem) <= {
        "type", "title", "status", "code", "detail", "fields",
    }  # fmt: skip
    assert (problem["status"], problem["code"]) == (status, code)
    assert code in schema.CODES, "document it"
    assert problem["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "parse_error"),
        (b"", 400, "invalid"),
        (b"null", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b'"text"', 400, "invalid"),
        (b"NaN", 400, "parse_error"),
        (b'{"name": "\xff"}', 400, "parse_error"),
        (b'{"name": "\\ud800"}', 400, "parse_error"),
        (b"[" * 100_000, 400, "parse_error"),
        (b"{}", 400, "invalid"),
        (b'{"name": null}', 400, "invalid"),
        (b'{"name": ""}', 400, "invalid"),
        (b'{"name": "   "}', 400, "invalid"),
        (b'{"name": 5}', 400, "invalid"),
        (b'{"name": true}', 400, "invalid"),
        (b'{"name": ["x"]}', 400, "invalid"),
        (b'{"name": {"x": 1}}', 400, "invalid"),
        (b'{"name": "a\\u0000b"}', 400, "invalid"),
        (b'{"name": "a\\nb"}', 400, "invalid"),
        (b'{"name": "' + b"x" * 201 + b'"}', 400, "invalid"),
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', 413, "body_too_large"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_bad_body_is_refused(service: Service, body: bytes, status: int, code: str) -> None:
    before = service.rows("SELECT count(*) FROM items_item")

    assert_problem(service.post("/api/items/", body), status, code)

    assert service.rows("SELECT count(*) FROM items_item") == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid"),
        (b"null", 400, "invalid"),
        (b"7", 400, "invalid"),
        (b'[{"name": "x"}]', 400, "invalid"),
        (b"{}", 400, "invalid"),
        (b'{"items": null}', 400, "invalid"),
        (b'{"items": "x"}', 400, "invalid"),
        (b'{"items": {"name": "x"}}', 400, "invalid"),
        (b'{"items": []}', 400, "invalid"),
        (b'{"items": [NaN]}', 400, "parse_error"),
        (b'{"items": [null]}', 400, "invalid"),
        (b'{"items": [5, true, "x", [], 1e999]}', 400, "parse_error"),
        (b'{"items": [5, true, "x", [], 123456789012345678901234567890]}', 400, "invalid"),
        (b'{"items": [[[[{"name": "x"}]]]]}', 400, "invalid"),
        (b'{"items": [{"name": {"name": {"name": "x"}}}]}', 400, "invalid"),
        (b'{"items": [{"name": ["x"]}]}', 400, "invalid"),
        (b'{"items": [{"name": 99999999999999999999}]}', 400, "invalid"),
        (b'{"items": [{"name": "a\\u0000b"}]}', 400, "invalid"),
        (b'{"items": [{"name": "\\ud800"}]}', 400, "parse_error"),
        (b'{"items": [{"name": "\xff"}]}', 400, "parse_error"),
        (b'{"items": ' + b"[" * 100_000, 400, "parse_error"),
        (b'{"items": [' + b"[]," * 300_000 + b"[]]}", 400, "invalid"),
        (b'{"items": [{"name": "x"}], "atomic": null}', 400, "invalid"),
        (b'{"items": [{"name": "x"}], "atomic": "no"}', 400, "invalid"),
        (b'{"items": [{"name": "x"}], "atomic": 1}', 400, "invalid"),
        (b'{"items": [{"name": "x"}], "' + b"k" * 500_000 + b'": 1}', 400, "invalid"),
        (b'{"items": [{"name": "' + b"x" * 2_000_000 + b'"}]}', 413, "body_too_large"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_bad_body_of_many_items_is_refused(service: Service, body: bytes, status: int, code: str) -> None:
    before = service.rows("SELECT count(*) FROM items_item")

    response = service.post("/api/items/bulk/", body)

    assert_problem(response, status, code)
    assert len(response.body) < 10_000
    assert service.rows("SELECT count(*) FROM items_item") == before


def test_whatever_an_item_is_without_atomic_it_gets_a_verdict_and_no_error(service: Service) -> None:
    junk = b'[null, 5, true, "x", [[]], {"name": {}}, {"name": "a\\u0000b"}, {"name": 99999999999999999999}]'

    response = service.post("/api/items/bulk/", b'{"atomic": false, "items": ' + junk + b"}")

    assert response.status == 200
    assert [result["status"] for result in response.json()["results"]] == [400] * 8


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        (b"null", "operations.0"),
        (b"[[]]", "operations.0"),
        (b"{}", "operations.0.op"),
        (b'{"op": null}', "operations.0.op"),
        (b'{"op": ["create"]}', "operations.0.op"),
        (b'{"op": "upsert"}', "operations.0.op"),
        (b'{"op": "create"}', "operations.0.data"),
        (b'{"op": "create", "data": null}', "operations.0.data"),
        (b'{"op": "create", "data": [1]}', "operations.0.data"),
        (b'{"op": "create", "data": {"name": "a\\u0000b"}}', "operations.0.data.name"),
        (b'{"op": "create", "data": {"name": {"a": [[[]]]}}}', "operations.0.data.name"),
        (b'{"op": "create", "data": {"name": "x"}, "ref": null}', "operations.0.ref"),
        (b'{"op": "create", "data": {"name": "x"}, "ref": "a b"}', "operations.0.ref"),
        (b'{"op": "create", "data": {"name": "x"}, "ref": {"a": 1}}', "operations.0.ref"),
        (b'{"op": "create", "data": {"name": "x"}, "version": 1}', "operations.0"),
        (b'{"op": "create", "data": {"name": "x"}, "' + b"k" * 500_000 + b'": 1}', "operations.0"),
        (b'{"op": "delete"}', "operations.0.id"),
        (b'{"op": "delete", "id": null}', "operations.0.id"),
        (b'{"op": "delete", "id": true}', "operations.0.id"),
        (b'{"op": "delete", "id": 0}', "operations.0.id"),
        (b'{"op": "delete", "id": -7}', "operations.0.id"),
        (b'{"op": "delete", "id": 1.0}', "operations.0.id"),
        (b'{"op": "delete", "id": "1"}', "operations.0.id"),
        (b'{"op": "delete", "id": [1]}', "operations.0.id"),
        (b'{"op": "delete", "id": 9223372036854775808}', "operations.0.id"),
        (b'{"op": "delete", "id": 123456789012345678901234567890}', "operations.0.id"),
        (b'{"op": "delete", "id": {}}', "operations.0.id"),
        (b'{"op": "delete", "id": {"ref": 5}}', "operations.0.id"),
        (b'{"op": "delete", "id": {"ref": "' + b"r" * 500_000 + b'"}}', "operations.0.id"),
        (b'{"op": "delete", "id": {"ref": "a", "x": 1}}', "operations.0.id"),
        (b'{"op": "delete", "id": 1, "version": null}', "operations.0.version"),
        (b'{"op": "delete", "id": 1, "version": "1"}', "operations.0.version"),
        (b'{"op": "delete", "id": 1, "version": true}', "operations.0.version"),
        (b'{"op": "delete", "id": 1, "version": 9223372036854775808}', "operations.0.version"),
        (b'{"op": "update", "id": 1}', "operations.0.data"),
        (b'{"op": "update", "id": 1, "data": {"name": 5}}', "operations.0.data.name"),
    ],
    ids=lambda value: repr(value)[:70],
)
def test_a_bad_operation_is_refused_by_its_place(service: Service, operation: bytes, place: str) -> None:
    response = service.post("/api/transactions/", b'{"operations": [' + operation + b"]}")

    assert_problem(response, 400, "invalid")
    assert list(response.json()["fields"]) == [place]
    assert len(response.body) < 10_000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid"),
        (b"null", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b"{}", 400, "invalid"),
        (b'{"operations": {}}', 400, "invalid"),
        (b'{"operations": []}', 400, "invalid"),
        (b'{"operations": [NaN]}', 400, "parse_error"),
        (b'{"operations": [{"op": "\\udfff"}]}', 400, "parse_error"),
        (b'{"operations": ' + b"[" * 100_000, 400, "parse_error"),
        (b'{"operations": [{"op": "delete", "id": 9223372036854775807}]}', 404, "not_found"),
        (b'{"operations": [{"op": "delete", "id": 1}], "atomic": true}', 400, "invalid"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_bad_transaction_is_refused(service: Service, body: bytes, status: int, code: str) -> None:
    assert_problem(service.post("/api/transactions/", body), status, code)


def test_invalid_fields_are_named(service: Service) -> None:
    problem = service.post("/api/items/", {"name": "x" * 201}).json()

    assert list(problem["fields"]) == ["name"]
    assert "200" in problem["fields"]["name"][0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Prefer": "wait=abc"},
        {"Prefer": "return=everything"},
        {"Idempotency-Key": "x" * 5000},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "two words"},
    ],
    ids=str,
)
def test_a_bad_header_is_refused_by_name(service: Service, headers: dict[str, str]) -> None:
    response = service.create("x", headers=headers)

    assert_problem(response, 400, "invalid_header")
    assert response.json()["detail"].startswith(next(iter(headers)))


def test_a_bad_if_match_is_refused_by_name(service: Service) -> None:
    path = service.create("x").headers["Location"]

    assert_problem(service.request("DELETE", path, headers={"If-Match": "1"}), 400, "invalid_header")


@pytest.mark.parametrize("value", ["x", "0x10", "99999999999999999999"])
def test_a_bad_read_after_is_refused(service: Service, value: str) -> None:
    assert_problem(service.get("/api/items/", headers={"Read-After": value}), 400, "invalid_header")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/writes/12345/", 404, "not_found"),
        ("GET", "/api/writes/99999999999999999999999/", 404, "not_found"),
        ("GET", "/api/writes/x/", 404, "not_found"),
        ("GET", "/api/items/999999999/", 404, "not_found"),
        ("PATCH", "/api/items/999999999/", 404, "not_found"),
        ("DELETE", "/api/items/999999999999999999/", 404, "not_found"),
        ("GET", "/api/items/x/", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/api/items/", 405, "method_not_allowed"),
        ("POST", "/health/live", 405, "method_not_allowed"),
        ("GET", "/session_a", 405, "method_not_allowed"),
        ("GET", "/api/items/bulk/", 405, "method_not_allowed"),
        ("DELETE", "/api/items/bulk/", 405, "method_not_allowed"),
        ("GET", "/api/transactions/", 405, "method_not_allowed"),
        ("GET", "/api/items/?cursor=x", 404, "not_found"),
        ("GET", "/api/items/?created_after=yesterday", 400, "invalid"),
        ("GET", "/api/items/?search=%00", 400, "invalid"),
        ("GET", "/api/items/?page_size=x", 400, "invalid"),
    ],
)
def test_a_bad_address_is_refused(service: Service, method: str, path: str, status: int, code: str) -> None:
    response = service.request(method, path, {"name": "x"} if method in {"PATCH", "PUT", "POST"} else None)

    assert_problem(response, status, code)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_of_another_type_is_refused(service: Service, kind: str) -> None:
    response = service.post("/api/items/", b"name=x", headers={"Content-Type": kind})

    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("value", ["Bearer", "Bearer a b", "Bearer nonsense", "Bearer \xe4", "Basic eDp5"])
def test_a_bad_token_is_refused(service: Service, value: str) -> None:
    response = service.create("x", headers={"Authorization": value})

    assert response.status == 401
    assert response.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_host_is_refused(service: Service) -> None:
    assert_problem(service.get("/health/live", headers={"Host": "evil.example"}), 400, "bad_request")


def test_an_unexpected_error_has_the_same_shape_and_says_nothing_of_the_inside(service: Service) -> None:
    response = service.get("/api/broken/")

    assert_problem(response, 500, "internal_error")
    assert b"Zero" not in response.body


@pytest.mark.parametrize(
    "header",
    [
        "SCRIPT_NAME: /evil",
        "SCRIPT_NAME: /api",
        "Script-Name: /evil",
        "PATH_INFO: /health/live",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Protocol: ssl",
        "X-Forwarded-Ssl: on",
        "X_Forwarded_Proto: https",
        "REMOTE_USER: admin",
    ],
)
def test_no_header_moves_the_routes_or_the_scheme(service: Service, header: str) -> None:
    name, value = header.split(": ")

    response = service.post("/api/items/", b'{"name": "x"}', headers={name: value})

    assert response.status == 201
    assert response.headers["Location"].startswith("/api/items/")
    service.post("/api/items/", b'{"name": "y"}')
    page = service.get("/api/items/?page_size=1", headers={name: value})
    assert page.json()["next"].startswith("http://")


def test_after_the_refusal_of_a_body_the_connection_goes_on_with_the_next_request(service: Service) -> None:
    body = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40_000
    head = b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    after = b"GET /api/nothing/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(head + body + after)
        said = b"".join(iter(lambda: client.recv(65_536), b""))

    assert [response[:3] for response in said.split(b"HTTP/1.1 ")[1:]] == [b"413", b"404"]


def login_form(size: int) -> tuple[bytes, dict[str, str]]:
    """Return a login of so many bytes with its headers, as a browser sends it."""
    secret = "a" * 32
    form = f"csrfmiddlewaretoken={secret}&username=x&password=y&more=".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={secret}"}
    return form + b"x" * (size - len(form)), headers


def test_forms_have_the_same_limit_as_every_other_body(make_service: Callable[..., Service]) -> None:
    service = make_service(WRITE_MAX_BODY_BYTES="4000000")
    service.start_all()

    answers = []
    for size in (3_900_000, 4_000_001):
        form, headers = login_form(size)
        answers.append(service.post("/admin/login/", form, headers=headers, anonymous=True))

    assert answers[0].status == 200
    assert b"Please enter the correct username" in answers[0].body
    assert_problem(answers[1], 413, "body_too_large")
