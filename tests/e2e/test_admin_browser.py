"""The admin in a real browser, as its users see it: narrow and wide, light and dark.

Needs Playwright and Debian's chromium, and says so where one of them is missing. With SCREENSHOTS in the
environment the pictures of each step are kept in that directory.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import Window
from tests.e2e.service import Service
from tests.waiting import until

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests did not run: no playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

SIZES = {"wide": (1280, 800), "narrow": (390, 844)}
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]

ITEMS, RECEIPTS = "/admin/items/item/", "/admin/workers/receipt/"
WAITING = f"{RECEIPTS}waiting/"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the browser tests did not run: no chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


Open = Callable[..., Window]


@pytest.fixture
def open_window(chromium: Any, service: Service, tmp_path: Path) -> Iterator[Open]:
    """Opens windows of a size and a colour scheme, logged in as the demo user."""
    opened: list[Window] = []
    pictures = Path(os.environ.get("SCREENSHOTS", tmp_path))

    def open_one(size: str = "wide", scheme: str = "light") -> Window:
        width, height = SIZES[size]
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(30_000)
        window = Window(service, context.new_page(), pictures)
        opened.append(window)
        window.log_in()
        return window

    yield open_one
    for window in opened:
        window.page.context.close()
        assert window.errors == []


@pytest.fixture
def window(open_window: Open) -> Window:
    return open_window()


def change_page(item_id: int) -> str:
    return f"{ITEMS}{item_id}/change/"


def item_of(service: Service, name: str) -> int:
    item: int = service.create(name).json()["id"]
    return item


def rows(service: Service, name: str) -> list[tuple[Any, ...]]:
    return service.rows("SELECT name, version FROM items_item WHERE name = ?", name)


def test_an_item_is_added_edited_and_deleted_and_its_history_tells_it(
    window: Window, service: Service
) -> None:
    page = window.page
    window.open(ITEMS)
    window.press("Add item")
    page.fill("#id_name", "made in the admin")
    window.picture("add")
    window.press("Save and continue editing")
    assert "was added successfully" in window.text()
    assert rows(service, "made in the admin") == [("made in the admin", 1)]

    page.fill("#id_name", "changed in the admin")
    window.press("Save and continue editing")
    assert rows(service, "changed in the admin") == [("changed in the admin", 2)]
    window.picture("edit")

    window.press("History")
    assert "Changed Name." in window.text()
    window.picture("history")

    page.go_back()
    window.press("Delete")
    window.picture("delete")
    window.press("Yes, I\u2019m sure")
    assert "was deleted successfully" in window.text()
    assert rows(service, "changed in the admin") == []


def test_a_rejected_edit_says_why_at_the_field(window: Window, service: Service) -> None:
    item = item_of(service, "to be edited")
    window.open(change_page(item))

    window.page.fill("#id_name", "a\tb")
    window.press("Save")

    assert "Control characters are not allowed." in window.page.inner_text(".field-name")
    assert rows(service, "to be edited") == [("to be edited", 1)]
    window.picture("rejected-edit")


def test_a_conflicting_edit_is_refused_and_says_what_to_do(window: Window, service: Service) -> None:
    item = item_of(service, "opened")
    window.open(change_page(item))
    changed = service.request("PATCH", f"/api/items/{item}/", {"name": "changed meanwhile"})
    assert changed.status == 200

    window.page.fill("#id_name", "mine")
    window.press("Save")

    assert "at version 2 now. Nothing was saved." in window.text()
    assert rows(service, "changed meanwhile") == [("changed meanwhile", 2)]
    window.picture("conflicting-edit")
    window.press("Open the form again")
    assert window.page.input_value("#id_name") == "changed meanwhile"
    window.page.fill("#id_name", "mine")
    window.press("Save")
    assert rows(service, "mine") == [("mine", 3)]


def test_a_deletion_of_what_has_changed_is_refused(window: Window, service: Service) -> None:
    item = item_of(service, "to be deleted")
    window.open(f"{ITEMS}{item}/delete/")
    service.request("PATCH", f"/api/items/{item}/", {"name": "still wanted"})

    window.press("Yes, I\u2019m sure")

    assert "Changed since this was shown: “still wanted” (now at version 2)" in window.text()
    assert rows(service, "still wanted") == [("still wanted", 2)]
    window.picture("conflicting-deletion")


def test_selected_items_are_deleted_by_an_action(window: Window, service: Service) -> None:
    items = [item_of(service, f"bulk {number}") for number in range(3)]
    window.open(ITEMS)

    window.act("delete_selected", *items[:2])
    window.picture("action")
    window.press("Yes, I\u2019m sure")

    assert "Successfully deleted 2 items." in window.text()
    assert service.rows("SELECT name FROM items_item WHERE name LIKE 'bulk %'") == [("bulk 2",)]


def test_a_failed_write_is_tried_again(window: Window, service: Service) -> None:
    def sql(statement: str) -> None:
        service.manage(
            "shell", "-c", f"from django.db import connection; connection.cursor().execute({statement!r})"
        )

    sql("ALTER TABLE items_item RENAME TO items_elsewhere")
    failed = service.create("tried again")
    sql("ALTER TABLE items_elsewhere RENAME TO items_item")
    assert failed.status == 500
    write_id = failed.headers["Write-Id"]
    window.open(f"{RECEIPTS}?status__exact=failed")
    window.picture("failed-writes")

    window.act("retry", write_id)

    assert re.search(rf"Write {write_id} was tried again: committed as \d+, status 201\.", window.text())
    window.picture("tried-again")
    assert rows(service, "tried again") == [("tried again", 1)]
    window.open(f"{RECEIPTS}{write_id}/change/")
    window.picture("failed-write")
    window.open(RECEIPTS)
    window.page.locator(".field-object a").first.click()
    assert window.page.input_value("#id_name") == "tried again"


def test_a_waiting_write_is_cancelled(window: Window, service: Service) -> None:
    service.stop("writer")
    try:
        asked = [
            service.create(name, headers={"Prefer": "respond-async"})
            for name in ("cancelled", "kept waiting")
        ]
        assert [response.status for response in asked] == [202, 202]
        write_id = asked[0].headers["Write-Id"]
        window.open(RECEIPTS)
        window.press("Waiting writes")
        assert "2 accepted writes wait to be committed" in window.text()
        window.page.check(f"input[name=write][value='{write_id}']")
        window.picture("waiting")
        window.press("Cancel selected writes")
        assert "1 write cancelled: " in window.text()
        window.picture("cancelled")
    finally:
        service.start("writer")

    until(lambda: rows(service, "kept waiting"), seconds=30, what="the writer to commit what waits")
    outcome = service.get(f"/api/writes/{write_id}/").json()
    assert (outcome["status"], outcome["http_status"]) == ("rejected", 409)
    assert outcome["error"]["code"] == "cancelled"
    assert rows(service, "cancelled") == []
    window.page.reload()
    assert "No write waits" in window.text()


@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=["-".join(look) for look in LOOKS])
def test_each_page_fits_each_window(open_window: Open, service: Service, size: str, scheme: str) -> None:
    item_of(service, "x" * 200)
    item = item_of(service, "to be renamed")
    service.request("PATCH", f"/api/items/{item}/", {"name": "a name of some words"})
    [(receipt,)] = service.rows("SELECT max(write_id) FROM workers_receipt")
    window = open_window(size, scheme)
    pages = {
        "index": "/admin/",
        "items": ITEMS,
        "item": change_page(item),
        "item-add": f"{ITEMS}add/",
        "item-delete": f"{ITEMS}{item}/delete/",
        "receipts": RECEIPTS,
        "receipt": f"{RECEIPTS}{receipt}/change/",
        "waiting-none": WAITING,
        "long-name": change_page(item - 1),
        "password": "/admin/password_change/",
    }

    for name, path in pages.items():
        window.open(path)
        window.picture(f"{size}-{scheme}-{name}")


LIVE, TWO_SESSIONS = f"{RECEIPTS}live/", "/admin/two_sessions/"
IN_BATCHES = """() => [...document.querySelectorAll(".live-chart")]
  .filter((chart) => chart.querySelector("h2").textContent === "Writes in a batch")
  .map((chart) => chart.querySelector("[role=img]")?.getAttribute("aria-label") ?? "")
  .some((label) => label.includes(": now ") && !label.includes("nothing"))"""
PIXELS = "() => [...document.querySelectorAll('.live-chart canvas')].map((canvas) => canvas.toDataURL())"
NEWER = "(shown) => document.querySelector('.live-table tbody th').innerText !== shown"
OTHERS = f"(before) => ({PIXELS})().join() !== before.join()"


def test_the_live_page_draws_what_the_writer_does_in_each_window_and_theme(
    open_window: Open, service: Service
) -> None:
    for number in range(20):
        service.create(f"watched {number}")

    for look in LOOKS:
        window = open_window(*look)
        page = window.page
        window.open(LIVE)
        page.wait_for_function(IN_BATCHES, timeout=30_000)

        assert page.inner_text("#live-state") == "Ready: writes are committed"
        assert page.is_hidden("#live-banner")
        assert page.locator(".live-chart").count() == 10
        drawn = page.evaluate(PIXELS)
        assert len(set(drawn)) > 5, "charts of different figures look the same"
        window.picture(f"live-{'-'.join(look)}")
        page.locator(".live-chart summary").first.click()
        assert page.locator(".live-table tbody tr").count() == 180
        page.evaluate("document.querySelector('.live-table').scrollTop = 500")
        shown = page.inner_text(".live-table tbody th")
        page.wait_for_function(NEWER, arg=shown)
        assert page.evaluate("document.querySelector('.live-table').scrollTop") == 500
        page.locator(".theme-toggle:visible").click()
        page.wait_for_function(OTHERS, arg=drawn)
        freeze = page.get_by_role("button", name="Freeze", exact=True)
        freeze.click()
        assert page.inner_text("#live-state").startswith("Frozen at ")
        page.get_by_role("button", name="Unfreeze", exact=True).click()
        page.wait_for_function("() => document.querySelector('#live-state').textContent.startsWith('Ready')")
        assert freeze.get_attribute("aria-pressed") is None  # its name tells what it does
        assert window.console == []


def test_the_live_page_says_what_is_wrong_and_goes_on(window: Window, service: Service) -> None:
    page = window.page
    window.open(LIVE)
    page.wait_for_selector("[data-ready=true]")

    service.stop("writer")
    try:
        page.wait_for_selector("#live-banner:has-text('No writer is at work')")
        window.picture("live-not-ready")
    finally:
        service.start("writer")
    page.wait_for_selector("#live-banner", state="hidden")

    service.stop("redis")
    try:
        page.wait_for_selector("#live-banner:has-text('Redis does not respond')")
        window.picture("live-without-redis")
    finally:
        service.start("redis")
    page.wait_for_selector("[data-ready=true] #live-banner", state="hidden")  # and still logged in

    page.context.clear_cookies()
    page.wait_for_selector("#live-banner:has-text('Your session is over')")
    window.picture("live-logged-out")
    window.press("Log in again")
    assert page.url.endswith(f"?next={LIVE}")


def test_the_start_page_leads_to_the_live_view_and_the_two_sessions(open_window: Open) -> None:
    for look in LOOKS:
        window = open_window(*look)
        window.open("/admin/")
        window.picture(f"index-{'-'.join(look)}")
        for name in ("Live view", "Waiting writes", "Two sessions"):
            window.open("/admin/")
            window.press(name)
            assert window.page.inner_text("#content h1") == name


def test_the_two_sessions_are_run_by_a_button_and_drawn(open_window: Open, service: Service) -> None:
    names = service.names()

    for look in (("wide", "light"), ("narrow", "dark")):
        window = open_window(*look)
        window.open(LIVE)
        window.press("Two sessions")
        window.press("Run the two sessions")
        assert window.page.locator("svg[role=img]").count() == 3
        assert window.text().count("database is locked, after") == 2
        window.picture(f"two-sessions-{'-'.join(look)}")
        assert window.console == []

    assert service.names() == names
