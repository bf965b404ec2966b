"""What `up` asks the web server, until it responds: of a project with /health/live, and of any other."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from tests.e2e.service import free_port
from tests.workers.web.serving import application, serving
from workers.up import web_probe


def test_a_project_without_the_page_is_asked_for_none(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def respond(scope: dict[str, Any], body: bytes) -> bytes:
        asked.append(scope["path"])
        return b"404"

    settings.ROOT_URLCONF = "tests.workers.store.lock.plain_urls"
    with serving(application(respond)) as port, caplog.at_level(logging.INFO):
        settings.HOST, settings.PORT = "127.0.0.1", port
        caplog.clear()

        assert web_probe.web_responds()
        assert web_probe.web_responds()

        said = [record.getMessage() for record in caplog.records]
    assert (asked, said) == ([], [])


class Says(BaseHTTPRequestHandler):
    """Responds to the page alone, with the number that its class has."""

    number = 200

    def do_GET(self) -> None:
        self.send_response(self.number if self.path == web_probe.LIVE else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.mark.parametrize(("number", "responds"), [(200, True), (301, True), (404, True), (500, False)])
def test_a_project_with_the_page_is_asked_whether_its_application_responds(
    settings: Settings, number: int, responds: bool
) -> None:
    with HTTPServer(("127.0.0.1", 0), type("Says", (Says,), {"number": number})) as server:
        settings.HOST, settings.PORT = "127.0.0.1", server.server_port
        thread = threading.Thread(target=server.handle_request)
        thread.start()

        assert web_probe.web_responds() is responds
        thread.join(10)


@pytest.mark.parametrize("urls", ["project.urls", "tests.workers.store.lock.plain_urls"])
def test_nobody_who_listens_is_no_response(settings: Settings, urls: str) -> None:
    settings.ROOT_URLCONF = urls
    settings.HOST, settings.PORT = "127.0.0.1", free_port()

    assert not web_probe.web_responds()
