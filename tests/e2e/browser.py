"""The service as a person uses it: by forms and cookies alone, or in a window of a real browser."""

import http.cookiejar
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.service import Service


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


class Window:
    """One window of somebody who is logged in.

    What its pages' scripts raise fails the test, and whatever they ask of anybody but the service.
    """

    def __init__(self, service: Service, page: Any, pictures: Path) -> None:
        self._service = service
        self.page = page
        self._pictures = pictures
        self.errors: list[str] = []
        self.console: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("request", lambda request: self._note_foreign(request.url))

    def _note_foreign(self, url: str) -> None:
        if not url.startswith((f"{self._service.url}/", "data:", "blob:")):
            self.errors.append(f"asked for {url}")

    def open(self, path: str) -> None:
        response = self.page.goto(self._service.url + path)
        assert response.status == 200, path

    def log_in(self) -> None:
        self.open("/admin/")
        self.page.fill("#id_username", "demo")
        self.page.fill("#id_password", (self._service.directory / "demo-password").read_text().strip())
        self.press("Log in")

    def press(self, name: str) -> None:
        """Press a button or a link by its name, and wait for the page that follows."""
        target = self.page.get_by_role("button", name=name, exact=True)
        target = target.or_(self.page.get_by_role("link", name=name, exact=True))
        with self.page.expect_navigation():
            target.first.click()

    def act(self, action: str, *keys: object) -> None:
        """Select the rows of these keys, and start an action on them."""
        for key in keys:
            self.page.check(f"input[name=_selected_action][value='{key}']")
        self.page.select_option("select[name=action]", action)
        with self.page.expect_navigation():
            self.page.locator("button[name=index]").first.click()

    def text(self) -> str:
        text: str = self.page.inner_text("body")
        return text

    def picture(self, name: str) -> None:
        """Keep what is seen, and see that it fits the window."""
        self.page.screenshot(path=self._pictures / f"{name}.png", full_page=True)
        too_wide = self.page.evaluate(TOO_WIDE)
        assert too_wide == [], f"{name}: does not fit {self.page.viewport_size}"


TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".results, pre")]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => `${one.tagName}.${one.className} ${one.scrollWidth} > ${one.clientWidth}`)"""
"""What has to be scrolled sideways to be read."""
