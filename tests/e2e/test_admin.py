"""The admin: people log in and look; nothing in it writes the store from a web process."""

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.e2e.service import Service
from tests.waiting import until


class Browser:
    """Keeps cookies, follows redirects, sends forms with their CSRF token."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> str:
        with self._opener.open(self._service.url + path, timeout=20) as response:
            text: str = response.read().decode()
            return text

    def submit(self, path: str, **fields: str) -> str:
        [token, *_] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        data = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": token}).encode()
        with self._opener.open(self._service.url + path, data, timeout=20) as response:
            text: str = response.read().decode()
            return text

    def log_in(self, username: str, password: str) -> str:
        return self.submit("/admin/login/?next=/admin/", username=username, password=password)


@pytest.fixture
def browser(service: Service) -> Browser:
    return Browser(service)


@pytest.fixture
def password(service: Service) -> str:
    return (service.directory / "demo-password").read_text().strip()


def test_a_login_is_noted_by_the_writer_and_its_session_is_not_in_the_store(
    service: Service, browser: Browser, password: str
) -> None:
    service.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User; User.objects.update(last_login=None)",
    )

    page = browser.log_in("demo", password)

    assert "Site administration" in page or "The store" in page
    until(lambda: service.rows("SELECT last_login FROM auth_user WHERE username = 'demo'") != [(None,)])
    assert service.rows("SELECT * FROM django_session") == []
    functions = [name for (name,) in service.rows("SELECT function FROM workers_receipt")]
    assert "accounts.note_login" in functions


def test_items_and_receipts_can_be_searched_and_not_changed(
    service: Service, browser: Browser, password: str
) -> None:
    item = service.create("needle").json()
    service.create("hay")
    browser.log_in("demo", password)

    items = browser.get("/admin/items/item/?q=needle")
    one = browser.get(f"/admin/items/item/{item['id']}/change/")
    receipts = browser.get("/admin/workers/receipt/?outcome=committed")

    assert "needle" in items
    assert "hay" not in items
    assert "Add item" not in items
    assert 'name="_save"' not in one
    assert "Delete" not in one
    assert "items.create" in receipts
    for path in ("/admin/items/item/add/", f"/admin/items/item/{item['id']}/delete/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            browser.get(path)
        assert refused.value.code == 403
        refused.value.close()


def test_every_page_of_the_admin_can_be_opened(service: Service, browser: Browser, password: str) -> None:
    service.create("something to see")
    index = browser.log_in("demo", password)

    lists = set(re.findall(r'href="(/admin/[a-z_]+/[a-z_]+/)"', index))
    assert {"/admin/items/item/", "/admin/workers/receipt/", "/admin/auth/user/"} <= lists
    for path in lists:
        page = browser.get(path)
        for detail in re.findall(rf'href="({path}[^"?]+/change/)', page)[:1]:
            browser.get(detail)


def test_an_outdated_password_hash_is_upgraded_through_the_writer(service: Service, browser: Browser) -> None:
    service.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User; "
        "from django.contrib.auth.hashers import PBKDF2PasswordHasher; "
        "User.objects.create(username='old', is_staff=True, "
        "password=PBKDF2PasswordHasher().encode('secret', 'salt', 1000))",
    )

    browser.log_in("old", "secret")

    until(
        lambda: "$1000$" not in service.rows("SELECT password FROM auth_user WHERE username = 'old'")[0][0],
        what="the new hash",
    )
    Browser(service).log_in("old", "secret")


def test_a_password_is_changed_through_the_writer(service: Service, browser: Browser) -> None:
    service.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User; "
        "User.objects.create_user('changer', password='before-1234', is_staff=True)",
    )
    browser.log_in("changer", "before-1234")

    page = browser.submit(
        "/admin/password_change/",
        old_password="before-1234",
        new_password1="after-5678-x",
        new_password2="after-5678-x",
    )

    assert "Your password was changed" in page
    assert "changer" in Browser(service).log_in("changer", "after-5678-x")
    assert "Please enter the correct username" in Browser(service).log_in("changer", "before-1234")
