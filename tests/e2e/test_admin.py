"""Django's own admin in real web processes, beside a writer at work: people log in, look and edit."""

import fcntl
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.browser import Browser
from tests.e2e.service import Service


@pytest.fixture
def browser(service: Service) -> Browser:
    return Browser(service)


@pytest.fixture
def password(service: Service) -> str:
    return (service.directory / "demo-password").read_text().strip()


def test_a_login_is_noted_and_its_session_is_not_in_the_store(
    service: Service, browser: Browser, password: str
) -> None:
    service.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User; User.objects.update(last_login=None)",
    )

    page = browser.log_in("demo", password)

    assert "The store" in page
    assert service.rows("SELECT last_login FROM auth_user WHERE username = 'demo'") != [(None,)]
    assert service.rows("SELECT * FROM django_session") == []


def test_items_and_receipts_can_be_searched(service: Service, browser: Browser, password: str) -> None:
    service.create("needle")
    service.create("hay")
    browser.log_in("demo", password)

    items = browser.get("/admin/items/item/?q=needle")
    receipts = browser.get("/admin/workers/receipt/?status__exact=committed")

    assert "needle" in items
    assert "hay" not in items
    assert "items.create" in receipts


def test_receipts_are_read_only(service: Service, browser: Browser, password: str) -> None:
    service.create("something")
    [(receipt,)] = service.rows("SELECT max(write_id) FROM workers_receipt")
    browser.log_in("demo", password)

    assert 'name="_save"' not in browser.get(f"/admin/workers/receipt/{receipt}/change/")
    for path in ("/admin/workers/receipt/add/", f"/admin/workers/receipt/{receipt}/delete/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            browser.get(path)
        assert refused.value.code == 403
        refused.value.close()


def test_an_object_is_saved_with_its_inlines_beside_a_working_writer(
    service: Service, browser: Browser, password: str
) -> None:
    """In one transaction: the second inline is refused, so nothing of it is saved."""
    browser.log_in("demo", password)
    inlines = {
        "jotting_set-TOTAL_FORMS": "2",
        "jotting_set-INITIAL_FORMS": "0",
        "jotting_set-0-text": "first",
        "jotting_set-1-text": "x" * 201,
    }
    fields = {"name": "of the admin"} | inlines

    refused = browser.submit("/admin/jottings/topic/add/", **fields)
    assert "at most 200 characters" in refused
    assert service.rows("SELECT * FROM jottings_topic WHERE name = 'of the admin'") == []
    saved = browser.submit("/admin/jottings/topic/add/", **fields | {"jotting_set-1-text": "second"})

    assert "was added successfully" in saved
    assert service.rows(
        "SELECT j.text FROM jottings_jotting j JOIN jottings_topic t ON t.id = j.topic_id "
        "WHERE t.name = 'of the admin' ORDER BY j.id"
    ) == [("first",), ("second",)]
    assert service.create("still committed").status == 201


def test_edits_in_the_admin_and_writes_of_the_api_do_not_get_into_each_others_way(
    service: Service, browser: Browser, password: str
) -> None:
    browser.log_in("demo", password)
    with ThreadPoolExecutor(8) as pool:
        created = [pool.submit(service.create, f"api {number}") for number in range(100)]
        pages = [
            browser.submit("/admin/items/item/add/", name=f"admin {number}", seen_version="")
            for number in range(15)
        ]

    assert {future.result().status for future in created} == {201}
    assert all("was added successfully" in page for page in pages)
    assert service.rows("SELECT count(*) FROM items_item WHERE name LIKE 'admin %'") == [(15,)]
    assert service.rows("SELECT count(*) FROM items_item WHERE name LIKE 'api %'") == [(100,)]


def test_every_page_of_the_admin_can_be_opened(service: Service, browser: Browser, password: str) -> None:
    service.create("something to see")
    index = browser.log_in("demo", password)

    lists = set(re.findall(r'href="(/admin/[a-z_]+/[a-z_]+/)"', index))
    assert {"/admin/items/item/", "/admin/workers/receipt/", "/admin/auth/user/"} <= lists
    for path in lists:
        page = browser.get(path)
        for detail in re.findall(rf'href="({path}[^"?]+/change/)', page)[:1]:
            browser.get(detail)


def test_an_outdated_password_hash_is_upgraded_at_the_login(service: Service, browser: Browser) -> None:
    service.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User; "
        "from django.contrib.auth.hashers import PBKDF2PasswordHasher; "
        "User.objects.create(username='old', is_staff=True, "
        "password=PBKDF2PasswordHasher().encode('secret', 'salt', 1000))",
    )

    browser.log_in("old", "secret")

    assert "$1000$" not in service.rows("SELECT password FROM auth_user WHERE username = 'old'")[0][0]
    Browser(service).log_in("old", "secret")


def test_a_password_is_changed(service: Service, browser: Browser) -> None:
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


def test_a_busy_store_refuses_an_edit_with_a_page_and_nobody_who_logs_in(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(WRITE_LOCK_WAIT_SECONDS="0.5")
    service.start_all()
    password = (service.directory / "demo-password").read_text().strip()
    edit = {"path": "/admin/items/item/add/", "name": "of the admin", "seen_version": ""}
    with (service.directory / "store.sqlite3.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        browser = Browser(service)

        assert "The store" in browser.log_in("demo", password)
        with pytest.raises(urllib.error.HTTPError) as refused:
            browser.submit(**edit)

    assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "2")
    assert "The store is busy, and nothing was written." in refused.value.read().decode()
    refused.value.close()
    assert "was added successfully" in browser.submit(**edit)
    assert service.rows("SELECT count(*) FROM items_item WHERE name = 'of the admin'") == [(1,)]
