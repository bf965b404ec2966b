"""Whether the service is ready, and what will soon stand in its way."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.test import Client, override_settings
from knox.models import AuthToken
from rest_framework.test import APIClient

from workers.exceptions import WrongStore
from workers.operations import readiness
from workers.writer.loop import Writer

NOWHERE = "unix:///nowhere/redis.sock"


@pytest.mark.sqlite  # of the file's disk
def test_a_disk_that_is_nearly_full_is_a_warning_while_writes_are_committed(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.drain()
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=usage.total))
    roomy = APIClient().get("/health/ready")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=200 * 1024**2))
    full = APIClient().get("/health/ready")

    assert roomy.status_code == full.status_code == 200
    assert roomy.json() == {"status": "ok", "warnings": {}}
    assert list(full.json()["warnings"]) == ["disk"]
    assert "disk is nearly full" in full.json()["warnings"]["disk"]
    assert "200 MiB free" in operator("view_receipt").get("/health/ready").json()["warnings"]["disk"]


def operator(*permissions: str) -> APIClient:
    """Return a client with a token of a user who has these permissions."""
    user = User.objects.create_user(f"with {permissions}")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    token: Any = AuthToken.objects.create(user)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token[1]}")
    return client


@pytest.fixture
def _no_redis() -> Iterator[None]:
    caches = {"default": settings.CACHES["default"] | {"LOCATION": NOWHERE}}
    with override_settings(REDIS_URL=NOWHERE, CACHES=caches):
        yield


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_redis")
def test_strangers_are_told_the_part_and_operators_and_the_log_the_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_told", {})
    strangers = [APIClient(), operator(), operator("view_item"), APIClient()]
    strangers[-1].credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    told = [client.get("/health/ready") for client in strangers]
    page = Client().get("/", headers={"Accept": "text/html"})
    whole = operator("view_receipt").get("/health/ready")

    assert {response.status_code for response in [*told, whole]} == {503}
    for response in told:
        assert list(response.json()["fields"]) == ["redis"]
        assert "/nowhere" not in response.text
        assert "Redis does not respond" in response.text
    assert "Redis does not respond" in page.text
    assert "/nowhere" not in page.text
    assert "/nowhere/redis.sock" in whole.json()["fields"]["redis"][0]
    assert caplog.text.count("health part=redis state=impaired") == 1
    assert "/nowhere/redis.sock" in caplog.text


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("exc", [DatabaseError("no /secret/place"), WrongStore("/secret/place is away")])
def test_what_the_store_said_is_no_strangers(exc: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise exc

    monkeypatch.setattr("workers.operations.readiness.store_problem", fail)
    monkeypatch.setattr(
        "project.accounts.authentication.BearerAuthentication.authenticate", lambda *_: fail()
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer x")

    for response in (client.get("/health/ready"), APIClient().get("/health/ready"), Client().get("/")):
        assert "secret" not in response.text
    assert "cannot be read" in client.get("/health/ready").json()["fields"]["store"][0]


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_redis")
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/health/ready", "/health/live", "/metrics", "/admin/", "/admin/login/", "/nowhere"),
        *("/admin/workers/receipt/live/data/", "/admin/workers/receipt/live/", "/api/items/", "/api/schema/"),
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_no_stranger_is_told_where_redis_is(path: str, accept: str) -> None:
    client = Client(raise_request_exception=False, headers={"Accept": accept})
    client.cookies["sessionid"] = "x" * 32

    assert "nowhere/redis" not in client.get(path).text


def test_a_part_of_a_projects_own_is_told_without_its_reason_too() -> None:
    assert "secret" not in readiness.for_anyone({"mail": "secret"})["mail"]


def test_a_reason_is_logged_when_it_changes_and_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [1_000.0]
    monkeypatch.setattr("workers.operations.readiness.time.monotonic", lambda: seconds[0])
    monkeypatch.setattr(readiness, "_told", {})

    for age in range(5):
        readiness.for_anyone({"writer": f"a (pid 7) for {age}.5 s"})
    assert len(caplog.records) == 1
    readiness.for_anyone({"writer": "b (pid 8) for 1.0 s", "disk": "/d"})
    assert len(caplog.records) == 3
    seconds[0] += readiness.AGAIN_SECONDS
    readiness.for_anyone({"writer": "b (pid 8) for 61.0 s"})

    assert [record.getMessage() for record in caplog.records][-2:] == [
        "health part=disk state=impaired reason=/d",
        "health part=writer state=impaired reason=b (pid 8) for 61.0 s",
    ]
