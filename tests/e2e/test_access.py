"""Who may do what, asked of the real processes."""

from typing import Any

import pytest

from tests.e2e.service import Answer, Service
from tests.waiting import until


def token_of(service: Service, name: str, *permissions: str, scope: str = "write") -> str:
    """Return a token of a user with these permissions, who is made where there is none of that name."""
    service.manage(
        *("shell", "--no-imports", "-c"),
        "from django.contrib.auth.models import Permission, User\n"
        f"user, _ = User.objects.get_or_create(username={name!r})\n"
        f"user.user_permissions.set(Permission.objects.filter(codename__in={permissions!r}))",
    )
    return service.manage("create_token", name, "--scope", scope).stdout.strip()


def ask(service: Service, token: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    given = {"Authorization": f"Bearer {token}"} | headers
    return service.request(method, path, body, headers=given)


def code_of(answer: Answer) -> tuple[int, str, str | None]:
    return answer.status, answer.json()["code"], answer.headers["Content-Type"]


def test_a_token_that_may_read_is_refused_every_write(service: Service) -> None:
    reads = service.manage("create_token", "demo", "--scope", "read").stdout.strip()
    item = {"name": "x"}
    operations = {"operations": [{"op": "create", "data": item}]}

    assert ask(service, reads, "GET", "/api/items/").status == 200
    for method, path, body in [
        ("POST", "/api/items/", item),
        ("PUT", "/api/items/1/", item),
        ("PATCH", "/api/items/1/", item),
        ("DELETE", "/api/items/1/", None),
        ("POST", "/api/items/bulk/", {"items": [item]}),
        ("POST", "/api/transactions/", operations),
        ("POST", "/api/jottings/", {"text": "x"}),  # another app's
        ("POST", "/session_a", None),
    ]:
        refused = ask(service, reads, method, path, body)
        assert code_of(refused) == (403, "insufficient_scope", "application/problem+json"), path
        assert "create_token USERNAME --scope write" in refused.json()["detail"]
    assert service.names() == []
