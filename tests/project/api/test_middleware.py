"""What stands before the views: nothing that a client sends there is lost, kept in memory or a 5xx."""

import gzip
import io
import json
import logging
import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from tests.jottings.views import DeadlyView
from tests.people import superuser
from workers.conf import settings as write_settings
from workers.web.log_lines import MAX_LENGTH, UNAVAILABLE_SECONDS, ShortRefusals
from workers.writer.loop import Writer

pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
MADE_TO_FAIL = {("/api/broken/", "GET"), ("/api/broken/", "HEAD"), ("/api/stray/", "POST")}
ASYNC: dict[str, Any] = {"HTTP_PREFER": "respond-async"}


@pytest.fixture
def api() -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(superuser())
    return client


def assert_problem(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/items", {"name": "x"}),
        ("POST", "/api/items?a=/", {"name": "x"}),
        ("PUT", "/api/items/1", {"name": "x"}),
        ("PATCH", "/api/items/1", {"name": "x"}),
        ("DELETE", "/api/items/1", None),
        ("POST", "/api/items/bulk", {"items": [{"name": "x"}]}),
        ("POST", "/api/transactions", {"operations": [{"op": "create", "data": {"name": "x"}}]}),
        ("POST", "/api/jottings", {"text": "x"}),
    ],
)
def test_a_write_without_the_final_slash_is_done(
    api: APIClient, writer: Writer, method: str, path: str, body: object
) -> None:
    response = api.generic(method, path, json.dumps(body) if body else "", "application/json", **ASYNC)

    assert response.status_code == 202, response.content
    assert response["Location"].startswith("/api/writes/")
    assert response["Location"].endswith("/")


def test_a_read_without_the_final_slash_is_still_redirected(api: APIClient) -> None:
    response = api.get("/api/items?name=x")

    assert (response.status_code, response["Location"]) == (301, "/api/items/?name=x")


@pytest.mark.parametrize("path", ["//api/items/", "/api/items//", "/api/item", "/api/items/1/x"])
def test_a_write_to_no_route_is_not_found(api: APIClient, path: str) -> None:
    assert_problem(api.generic("POST", path, "{}", "application/json"), 404, "not_found")


@pytest.mark.parametrize("setting", ["PREPEND_WWW", "SECURE_SSL_REDIRECT"])
def test_a_permanent_redirect_of_a_write_has_it_repeated(api: APIClient, setting: str) -> None:
    with override_settings(**{setting: True}, ALLOWED_HOSTS=["testserver", "www.testserver"]):
        response = api.post("/api/items/", {"name": "x"})

    assert response.status_code == 308
    assert response["Location"] in response.content.decode()


def test_a_form_of_the_admin_without_a_session_is_refused_and_not_turned_into_a_read() -> None:
    client = Client()

    for path in ("/admin/auth/user/add/", "/admin/auth/user/add", "/admin/nothing"):
        assert_problem(client.post(path, {"a": "b"}), 403, "permission_denied")
    assert client.get("/admin/auth/user/add/").status_code == 302


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("text/*", True),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("image/png", False),
        ("nonsense;q=x,,;", False),
        ("", False),
    ],
)
def test_a_person_whose_session_is_over_gets_a_page_that_says_what_to_do(accept: str, is_page: bool) -> None:
    response = Client().post("/admin/auth/user/add/", {"a": "b"}, HTTP_ACCEPT=accept)

    if not is_page:
        return assert_problem(response, 403, "permission_denied")
    assert (response.status_code, response["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "Log in at /admin/login/, open the form again" in response.content.decode()


class Untouched(io.BytesIO):
    """A body that fails whoever reads it."""

    def read(self, *args: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize(
    "path", ["/admin/login/", "/api/items/", "/api/nothing/", "/health/live", "/static/x"]
)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/plain", ""])
@pytest.mark.parametrize(
    ("length", "status", "code"),
    [
        (str(write_settings.WRITE_MAX_BODY_BYTES + 1), 413, "body_too_large"),
        ("9" * 5_000, 413, "body_too_large"),
        ("-1", 400, "bad_request"),
        ("+5", 400, "bad_request"),
        ("5, 5", 400, "bad_request"),
        ("٣", 400, "bad_request"),
        ("²", 400, "bad_request"),
    ],
)
def test_a_body_is_refused_by_its_length_before_it_is_read(
    path: str, kind: str, length: str, status: int, code: str
) -> None:
    extra: dict[str, Any] = {"wsgi.input": Untouched(), "CONTENT_LENGTH": length, "CONTENT_TYPE": kind}

    assert_problem(Client().generic("POST", path, **extra), status, code)


@pytest.mark.parametrize("path", ["/admin/login/", "/api/items/", "/api/nothing/", "/health/live"])
@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_an_encoded_body_is_refused(path: str, coding: str) -> None:
    body = gzip.compress(b'{"name": "x"}')

    response = Client().generic("POST", path, body, "application/json", HTTP_CONTENT_ENCODING=coding)

    assert_problem(response, 415, "unsupported_media_type")


def test_an_identity_coded_body_is_taken(api: APIClient, writer: Writer) -> None:
    response = api.post("/api/items/", {"name": "x"}, HTTP_CONTENT_ENCODING="identity", **ASYNC)

    assert response.status_code == 202


def test_a_form_with_too_many_fields_is_a_bad_request() -> None:
    client = Client(raise_request_exception=False)
    fields = {f"f{number}": "x" for number in range(1_001)}

    assert_problem(client.post("/admin/login/", fields), 400, "bad_request")
    form = "&".join(f"{name}=x" for name in fields)
    response = client.post("/admin/login/", form, content_type="application/x-www-form-urlencoded")
    assert_problem(response, 400, "bad_request")


def routes(patterns: Any = None, prefix: str = "/") -> Iterator[str]:
    """Yield a path for each route of the URLconf."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            path = re.sub(r"\(\?P<[^>]+>(?:\[[^]]*\]|[^()\[\]])*\)|<[^>]+>", "1", text)
            yield re.sub(r"[\^$\\?]|\(.*\)", "", path).replace("//", "/")


PLAIN = ("/admin/", "/api/ordinary/")
"""Views of plain Django, whose own errors have its form."""


ACCEPT = ["*/*", "application/json", "text/html", "image/png", "nonsense", ""]


@pytest.mark.parametrize("accept", ACCEPT)
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_no_method_of_any_route_is_a_server_error(
    accept: str, step: int, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    anonymous = Client(raise_request_exception=False)
    somebody = APIClient(raise_request_exception=False)
    somebody.force_authenticate(superuser())
    caplog.set_level(logging.CRITICAL)

    whole = [each for each in product(sorted(set(routes())), METHODS) if each not in MADE_TO_FAIL]
    # What accepts anything meets all of them; the others share.
    some = whole if accept == "*/*" else whole[ACCEPT.index(accept) % step :: step]
    for (path, method), client in product(some, (anonymous, somebody)):
        response = client.generic(method, path, HTTP_ACCEPT=accept, **ASYNC)

        is_unready = path == "/health/ready" and response.status_code == 503
        assert response.status_code < 500 or is_unready, (method, path, response.content)
        if response.status_code >= 400 and not path.startswith(PLAIN):
            assert response["Content-Type"] == "application/problem+json", (method, path)
            if method != "HEAD":
                assert {"code", "detail"} <= json.loads(response.content).keys(), (method, path)


def test_options_describes_views_with_and_without_a_serializer(
    api: APIClient,
) -> None:
    plain, whole = api.options("/api/deadly/"), api.options("/api/jottings/")

    assert (plain.status_code, plain.json()["name"]) == (200, "Deadly")
    assert "actions" not in plain.json()
    assert "text" in whole.json()["actions"]["POST"]


def test_options_still_says_that_the_store_cannot_be_read(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any) -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(DeadlyView, "get_serializer", cannot)

    assert_problem(api.options("/api/deadly/"), 503, "store_unavailable")


@pytest.mark.parametrize("path", ["/health/live", "/api/docs/", "/api/schema/", "/api/items/"])
def test_head_gets_what_get_gets(api: APIClient, path: str) -> None:
    get, head = api.get(path), api.head(path)

    assert (head.status_code, head["Content-Type"], head.content) == (200, get["Content-Type"], b"")


@pytest.mark.parametrize("said", ["https", "http"])
def test_a_proxy_that_is_trusted_says_the_scheme(said: str) -> None:
    trusted = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"), "SECURE_SSL_REDIRECT": True}

    with override_settings(**trusted):
        response = Client().get("/api/docs/", HTTP_X_FORWARDED_PROTO=said)

    assert response.status_code == {"https": 200, "http": 301}[said]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the service's log says, as its console handler would."""
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    handler = Handler()
    handler.addFilter(ShortRefusals())
    logging.getLogger().addHandler(handler)
    yield said
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/api/items/", {"HTTP_HOST": "evil.example"}),
        ("/admin/login/", {"HTTP_HOST": "a" * 5_000}),
        ("/api/items/", {"HTTP_HOST": "a\nERROR forged"}),
        ("/" + "x" * 4_000, {}),
        ("/x%0aERROR forged", {}),
        ("/admin/login/", {"CONTENT_TYPE": "multipart/form-data"}),
        ("/admin/login/", {"HTTP_COOKIE": "sessionid=broken; csrftoken=x"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_request_leaves_one_short_line_at_most(
    lines: list[str], clean_redis: object, method: str, path: str, extra: dict[str, Any]
) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    assert client.generic(method, path, **extra).status_code < 500

    assert len(lines) <= 1
    assert all(len(line) <= MAX_LENGTH + 3 and "\n" not in line for line in lines)


def test_of_many_requests_that_get_503_one_line_a_minute_is_left(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [1_000.0]
    monkeypatch.setattr("workers.web.log_lines.time.monotonic", lambda: seconds[0])
    say = partial(logging.getLogger("django.request").error, "Unavailable: %s", extra={"status_code": 503})

    for number in range(100):
        say(f"/{number}")
    seconds[0] += UNAVAILABLE_SECONDS
    say("/later")

    assert lines == ["Unavailable: /0", "Unavailable: /later (and 99 more since the last such line)"]


def test_an_error_of_the_server_keeps_its_traceback(lines: list[str]) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("django.request").error("x", exc_info=True, extra={"status_code": 500})
        logging.getLogger("project").exception("y")

    assert all("Traceback" in line for line in lines)
    assert len(lines) == 2
