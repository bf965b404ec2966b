"""Requests past a rate are refused, counted in Redis for all processes together."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from project.accounts import rates, tokens
from project.environment import Rate
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

NOWHERE = "unix:///nowhere/redis.sock"


@pytest.fixture(autouse=True)
def _asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_unasked_until", 0.0)


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada")


def get(token: str = "", path: str = "/api/items/", **meta: Any) -> Any:
    if token:
        meta["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return Client().get(path, **meta)


def statuses(count: int, *arguments: str, **meta: Any) -> list[int]:
    return [get(*arguments, **meta).status_code for _ in range(count)]


def test_a_token_past_its_rate_is_told_when_to_come_again(ada: User, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_TOKEN = Rate(3, 60)
    token, other = tokens.create(ada), tokens.create(ada)

    allowed = [get(token) for _ in range(3)]
    refused = get(token)

    assert [response.status_code for response in allowed] == [200] * 3
    assert [response["RateLimit"].partition(";t=")[0] for response in allowed] == [
        f'"token";r={left}' for left in (2, 1, 0)
    ]
    assert allowed[0]["RateLimit-Policy"] == '"token";q=3;w=60'
    assert (refused.status_code, refused["Content-Type"]) == (429, "application/problem+json")
    assert refused.json()["code"] == "throttled"
    assert 18 <= int(refused["Retry-After"]) <= 20  # one of three grows back in 20 s
    assert refused["RateLimit"] == f'"token";r=0;t={refused["Retry-After"]}'
    assert get(other).status_code == 200


def test_writes_count_as_well_and_what_is_refused_is_not_accepted(
    ada: User, settings: Settings, clean_redis: redis.Redis
) -> None:
    settings.RATE_LIMIT_PER_TOKEN = Rate(2, 60)
    headers = {"Authorization": f"Bearer {tokens.create(ada)}", "Prefer": "respond-async"}

    responses = [
        Client().post("/api/items/", {"name": "a"}, content_type="application/json", headers=headers)
        for _ in range(4)
    ]

    assert [response.status_code for response in responses] == [202, 202, 429, 429]
    assert clean_redis.xlen("writes:stream") == 2


def test_an_allowance_grows_back(ada: User, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_TOKEN = Rate(2, 1)
    token = tokens.create(ada)
    assert 429 in statuses(5, token)

    until(lambda: get(token).status_code == 200, seconds=5, what="the next one to be allowed")


def test_requests_at_the_same_instant_do_not_slip_through() -> None:
    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(lambda _: rates.taken("token", Rate(20, 3_600), "one"), range(64)))

    assert [verdict is not None and verdict.is_allowed for verdict in verdicts].count(True) == 20


def test_what_is_counted_is_forgotten(clean_redis: redis.Redis) -> None:
    for _ in range(20):
        rates.taken("address", Rate(10, 60), "192.0.2.1")

    [key] = list(clean_redis.keys("*rate*"))
    assert b"192.0.2.1" not in key
    assert 50_000 < clean_redis.pttl(key) <= 60_000


def test_an_address_past_its_rate_is_refused_before_anybody_looks_at_its_tokens(
    settings: Settings, django_assert_num_queries: Any
) -> None:
    settings.RATE_LIMIT_PER_ADDRESS = Rate(3, 60)

    tried = [get(f"guess{number}", REMOTE_ADDR="192.0.2.1").status_code for number in range(3)]
    with django_assert_num_queries(0):
        refused = get("guess", REMOTE_ADDR="192.0.2.1")

    assert tried == [401] * 3
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert int(refused["Retry-After"]) <= 20
    assert refused["X-Content-Type-Options"] == "nosniff"
    assert get("guess", REMOTE_ADDR="192.0.2.2").status_code == 401
    assert get(path="/admin/login/", REMOTE_ADDR="192.0.2.1").status_code == 429


def test_health_is_never_limited(settings: Settings) -> None:
    settings.RATE_LIMIT_PER_ADDRESS = settings.RATE_LIMIT_PER_TOKEN = Rate(1, 3_600)

    assert 429 not in statuses(5, "", "/health/live") + statuses(5, "", "/health/ready")
    assert statuses(2) == [401, 429]


def test_both_limits_are_told_at_once(ada: User, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_ADDRESS, settings.RATE_LIMIT_PER_TOKEN = Rate(9, 60), Rate(5, 60)

    response = get(tokens.create(ada))

    assert response["RateLimit-Policy"] == '"token";q=5;w=60, "address";q=9;w=60'


def test_a_session_counts_for_its_user(ada: User, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_TOKEN = Rate(2, 60)
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(ada)

    assert [client.get("/api/items/").status_code for client in clients * 2] == [200, 200, 429, 429]


def test_without_redis_all_pass_and_it_is_left_alone_for_a_while(
    ada: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RATE_LIMIT_PER_TOKEN = Rate(1, 60)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": NOWHERE}}

    assert statuses(5, tokens.create(ada)) == [200] * 5
    assert caplog.text.count("state=not-counted") == 1


def test_without_a_limit_redis_is_not_asked(
    ada: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert (settings.RATE_LIMIT_PER_TOKEN, settings.RATE_LIMIT_PER_ADDRESS) == (None, None)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": NOWHERE}}

    response = get(tokens.create(ada))

    assert response.status_code == 200
    assert "RateLimit" not in response
    assert "state=not-counted" not in caplog.text
