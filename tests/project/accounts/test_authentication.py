from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.utils import timezone
from knox.models import get_token_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from project.accounts import authentication
from project.accounts.authentication import REMEMBER_SECONDS, BearerAuthentication

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(authentication, "time", clock)
    monkeypatch.setattr(authentication, "_remembered", {})
    return clock


@pytest.fixture
def ada() -> User:
    return get_user_model().objects.create_user("ada")


def new_token(user: User, *, expiry: timedelta | None = timedelta(days=1)) -> bytes:
    token: str = get_token_model().objects.create(user, expiry=expiry)[1]
    return token.encode()


def who(token: bytes) -> User:
    header = "Bearer " + token.decode()
    user: User = BearerAuthentication().authenticate(
        Request(APIRequestFactory().get("/", HTTP_AUTHORIZATION=header))
    )[0]
    return user


def test_a_token_is_looked_up_once_while_it_is_remembered(
    ada: User, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = new_token(ada)
    assert who(token) == ada

    clock.now += REMEMBER_SECONDS - 0.01
    with django_assert_num_queries(0):
        assert who(token) == ada


def test_a_token_that_was_revoked_is_refused_as_soon_as_it_is_forgotten(ada: User, clock: Clock) -> None:
    token = new_token(ada)
    who(token)
    get_token_model().objects.all().delete()

    clock.now += REMEMBER_SECONDS
    with pytest.raises(AuthenticationFailed):
        who(token)


def test_a_user_who_was_locked_out_is_refused_as_soon_as_the_token_is_forgotten(
    ada: User, clock: Clock
) -> None:
    token = new_token(ada)
    who(token)
    get_user_model().objects.update(is_active=False)

    clock.now += REMEMBER_SECONDS
    with pytest.raises(AuthenticationFailed):
        who(token)


def test_a_token_is_not_remembered_beyond_its_expiry(ada: User, clock: Clock) -> None:
    token = new_token(ada)
    get_token_model().objects.update(expiry=timezone.now() + timedelta(seconds=REMEMBER_SECONDS / 2))
    who(token)
    get_token_model().objects.update(expiry=timezone.now())

    clock.now += REMEMBER_SECONDS / 2
    with pytest.raises(AuthenticationFailed):
        who(token)


def test_an_expired_token_is_refused_and_its_row_is_left_to_the_writer(ada: User) -> None:
    ago = timedelta(seconds=-1)
    valid, expired, _ = new_token(ada), new_token(ada, expiry=ago), new_token(ada, expiry=ago)

    assert who(valid) == ada
    with pytest.raises(AuthenticationFailed):
        who(expired)

    assert get_token_model().objects.count() == 3


def test_a_token_that_is_refused_is_not_remembered(ada: User) -> None:
    for token in (b"unknown", "ünbekannt".encode()):
        with pytest.raises(AuthenticationFailed):
            who(token)

    assert authentication._remembered == {}


def test_no_more_tokens_are_remembered_than_the_limit(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED_TOKENS", 2)

    for _ in range(5):
        who(new_token(ada))
        assert len(authentication._remembered) <= 2
