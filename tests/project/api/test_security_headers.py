"""What every response tells a browser, and that no page needs what it forbids."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from knox.models import get_token_model

from items.models import Item
from project.accounts import tokens
from project.api.handlers import Application
from tests import forks
from tests.e2e.service import BASE_DIR
from workers.conf import settings as write_settings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HTML = "text/html,application/xhtml+xml"


def told(response: Any) -> dict[str, str | None]:
    return {name: response.get(name) for name in ALWAYS}


@pytest.fixture
def scene() -> dict[str, Any]:
    item = Item.objects.create(name="a")
    get_token_model().objects.create(User.objects.create_user("bob"))
    return {"item": item.pk, "token": get_token_model().objects.get().pk}


PAGES = [
    "/",
    "/api/docs/",
    "/admin/",
    "/admin/items/item/",
    "/admin/items/item/add/",
    "/admin/items/item/{item}/change/",
    "/admin/items/item/{item}/delete/",
    "/admin/items/item/{item}/history/",
    "/admin/auth/user/add/",
    "/admin/auth/group/add/",
    "/admin/knox/authtoken/",
    "/admin/knox/authtoken/add/",
    "/admin/knox/authtoken/{token}/change/",
    "/admin/workers/receipt/",
    "/admin/workers/receipt/waiting/",
    "/admin/workers/receipt/live/",
    "/admin/password_change/",
    "/admin/two_sessions/",
    "/admin/items/item/?q=" + "x" * 201,  # an error for people
]
INLINE = re.compile(
    r"<style|<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")|\sstyle=|\son\w+=|javascript:",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_a_policy_and_nothing_that_it_forbids(
    admin: Client, scene: dict[str, Any], page: str
) -> None:
    response = admin.get(page.format(**scene), headers={"Accept": HTML})

    assert response["Content-Type"].startswith("text/html")
    assert (response["Content-Security-Policy"], told(response)) == (POLICY, ALWAYS)
    assert INLINE.findall(response.text) == []
    loaded = re.findall(r"<(?:link|script|img)[^>]*\s(?:href|src)=[\"']?([^\"' >]+)", response.text)
    assert [one for one in loaded if not re.match(r"/(?!/)|\?|data:|\.?[\w/]+", one)] == []
    for path in (one for one in loaded if one.startswith("/static/")):
        assert finders.find(path.removeprefix("/static/")), path


def test_the_script_of_the_docs_is_a_file(client: Client) -> None:
    page = client.get("/api/docs/").text
    [path] = [one for one in re.findall(r'<script src="([^"]+)"', page) if "script=" in one]

    script = client.get(path)

    assert script["Content-Type"].startswith("application/javascript")
    assert 'url: "/api/schema/"' in script.text


def test_the_icon_that_browsers_ask_for_is_there(client: Client) -> None:
    response = client.get("/favicon.ico")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("image/")
    assert b"".join(response).startswith(b"\0\0\1\0")
    response.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/admin/login/"),
        ("get", "/static/admin/css/base.css"),
        ("get", "/nowhere"),
        ("get", "/health/live"),
        ("get", "/api/schema/"),
        ("get", "/api/items/"),
        ("post", "/api/items/"),
        ("post", "/session_a"),
        ("post", "/session_b"),
        ("post", "/admin/auth/user/add/"),  # without a session: made of a redirect
    ],
)
def test_every_response_to_a_browser_has_the_headers(client: Client, method: str, path: str) -> None:
    response = getattr(client, method)(path)
    response.close()  # a file, where it is one

    assert (response["Content-Security-Policy"], told(response)) == (POLICY, ALWAYS)


def test_what_is_refused_for_its_size_has_them_too(client: Client) -> None:
    length = str(write_settings.WRITE_MAX_BODY_BYTES + 1)
    refused = client.generic("POST", "/admin/login/", CONTENT_LENGTH=length)

    assert (refused.status_code, told(refused)) == (413, ALWAYS)


def test_a_program_with_a_token_gets_them_without_the_policy_for_pages() -> None:
    token = tokens.create(User.objects.create_superuser("root"))
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/items/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.url_scheme": "http",
        "wsgi.input": sys.stdin,
    }
    headers: dict[str, str] = {}

    def start(status: str, fields: list[tuple[str, str]]) -> None:
        assert status == "200 OK"
        headers.update(fields)

    list(Application()(environ, start))

    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert "Content-Security-Policy" not in headers


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[dict[str, str]]:
    environment = {name: one for name, one in os.environ.items() if not name.startswith("WRITE_")}
    yield environment | {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "project.settings"}


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return forks.run(command, env=environment, cwd=BASE_DIR, timeout=100)


def test_the_checks_for_production_find_nothing(directory: dict[str, str]) -> None:
    production = {
        "ALLOWED_HOSTS": "example.org",
        "CSRF_TRUSTED_ORIGINS": "https://example.org",
        "TRUST_X_FORWARDED_PROTO": "1",
        "HSTS_SECONDS": "31536000",
        "HTTPS_REDIRECT": "1",
    }

    done = manage(directory | production, "check", "--deploy")

    assert done.returncode == 0, done.stderr
    found = set(re.findall(r"\(([\w.]+\.[A-Z]\d+)\)", done.stdout + done.stderr))
    assert found <= {"workers.W002"}  # which is of the machine's SQLite


def test_a_redirect_that_would_never_end_is_refused_at_the_start(directory: dict[str, str]) -> None:
    done = manage(directory | {"HTTPS_REDIRECT": "1"}, "check")

    assert done.returncode != 0
    assert "HTTPS_REDIRECT needs TRUST_X_FORWARDED_PROTO" in done.stderr
