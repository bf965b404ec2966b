"""The service's own address: a page for browsers, JSON for clients, never an error."""

import re
from html import escape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.answering import Answered
from workers import for_anyone, why_not_ready
from workers.writer.loop import Writer

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/*", "application/json;q=0.1, text/html"])
def test_a_browser_gets_a_page_whose_every_link_leads_somewhere(
    client: Client, answered: Answered, accept: str
) -> None:
    response = client.get("/", headers={"Accept": accept})
    page = response.content.decode()
    links = re.findall(r'<a href="([^"]+)"', page)

    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "One Writer" in page
    assert {"/api/docs/", "/api/schema/", "/admin/", "/health/ready"} <= set(links)
    followed = answered(lambda: [client.get(link, follow=True).status_code for link in links])
    assert followed == [200] * len(links)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html;q=0.5"])
def test_a_client_gets_json_unless_it_prefers_html(client: Client, accept: str | None) -> None:
    response = client.get("/", headers={"Accept": accept} if accept else {})

    assert response.status_code == 200
    assert response.json() == {
        "name": "One Writer",
        "description": "A REST API whose every write is committed by one writer, in order, once.",
        "ready": True,
        "links": {
            "docs": "/api/docs/",
            "schema": "/api/schema/",
            "admin": "/admin/",
            "live": "/admin/workers/receipt/live/",
            "two_sessions": "/admin/two_sessions/",
            "health": "/health/ready",
        },
    }
    assert "Accept" in response["Vary"]


@pytest.mark.usefixtures("writer")
def test_what_stands_in_the_way_is_on_the_page_and_in_json(client: Client) -> None:
    reason = for_anyone(why_not_ready())["writer"]

    assert "No writer is at work" in reason
    assert escape(reason) in client.get("/", headers={"Accept": BROWSER}).content.decode()
    assert client.get("/").json()["ready"] is False


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("accept", ["*/*", BROWSER, "text/html"])
def test_head_is_served_and_other_methods_are_refused_in_the_one_shape(client: Client, accept: str) -> None:
    headers = {"Accept": accept}
    head = client.head("/", headers=headers)

    assert (head.status_code, head.content) == (200, b"")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        refused = client.generic(method, "/", headers=headers)
        assert (refused.status_code, refused["Content-Type"]) == (405, "application/problem+json")
        assert refused.json()["code"] == "method_not_allowed"
    assert client.get("/", headers={"Accept": "image/png"}).json()["code"] == "not_acceptable"


@pytest.mark.django_db
def test_view_site_in_the_admin_leads_to_it(client: Client, writer: Writer, answered: Answered) -> None:
    client.force_login(User.objects.create_superuser("someone"))
    page = client.get("/admin/").content.decode()
    [target] = re.findall(r'<a href="([^"]+)">View site</a>', page)

    assert client.get(target, headers={"Accept": BROWSER}).status_code == 200
