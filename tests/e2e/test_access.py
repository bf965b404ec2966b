"""Who may do what, asked of the real processes."""

import re
from collections.abc import Callable
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
    before = service.names()
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
    assert service.names() == before


@pytest.mark.parametrize("lost", ["permission", "user"])
def test_what_was_accepted_is_not_committed_for_who_may_no_longer(service: Service, lost: str) -> None:
    name = f"ada-{lost}"
    token = token_of(service, name, "add_item")
    assert ask(service, token, "POST", "/api/items/", {"name": f"{lost} before"}).status == 201
    service.stop("writer")

    accepted = ask(service, token, "POST", "/api/items/", {"name": f"{lost} after"}, Prefer="respond-async")
    change = "user_permissions.clear()" if lost == "permission" else "delete()"
    service.manage(
        *("shell", "--no-imports", "-c"),
        f"from django.contrib.auth.models import User; User.objects.get(username={name!r}).{change}",
    )
    service.start("writer")
    status = f"/api/writes/{accepted.headers['Write-Id']}/"
    until(lambda: service.get(status).json()["status"] != "queued", seconds=20, what="its outcome")

    assert accepted.status == 202
    told = service.get(status).json()
    assert (told["status"], told["http_status"]) == ("rejected", 403)
    assert told["error"]["code"] == "permission_denied"
    assert "items.add_item" in told["error"]["detail"]
    assert f"{lost} before" in service.names()
    assert f"{lost} after" not in service.names()


def test_past_the_rate_of_a_token_requests_are_refused_by_all_processes_together(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(RATE_LIMIT_PER_TOKEN="6/hour", RATE_LIMIT_PER_ADDRESS="1000/min")
    service.start_all()

    writes = [service.create(f"{number}") for number in range(6)]
    refused = [service.create("past"), service.get("/api/items/"), service.get("/api/items/1/")]

    assert [answer.status for answer in writes] == [201] * 6
    assert writes[-1].headers["RateLimit"].startswith('"token";r=0;t=')
    assert ', "address";r=99' in writes[-1].headers["RateLimit"]
    for answer in refused:
        assert code_of(answer) == (429, "throttled", "application/problem+json")
        assert 1 <= int(answer.headers["Retry-After"]) <= 600
    assert service.names() == [f"{number}" for number in range(6)]
    assert service.get("/health/ready").status == 200

    service.kill("redis")
    assert service.get("/api/items/").status == 200  # nobody can count, and reads need no Redis
    assert service.create("without").status == 503


def test_each_web_process_tells_the_same_metrics_to_a_token_that_may_read_them(service: Service) -> None:
    prometheus = token_of(service, "prometheus", "view_receipt", scope="read")
    for number in range(5):
        assert service.create(f"measured {number}").status == 201
    service.until_acknowledged()

    def writes() -> list[float]:
        """Return the counter as some web processes tell it: each connection may meet another one."""
        told = [ask(service, prometheus, "GET", "/metrics").body.decode() for _ in range(6)]
        pattern = re.compile(r'^one_writer_writes_total\{status="committed"\} (\S+)$', re.MULTILINE)
        return [float(pattern.findall(one)[0]) for one in told]

    at_least = 5.0
    until(lambda: min(writes()) >= at_least, what="the heartbeat that takes the figures along")
    assert len(set(writes())) == 1
    assert ask(service, "of nobody", "GET", "/metrics").status == 401
