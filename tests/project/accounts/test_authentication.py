from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.utils import timezone
from knox.models import get_token_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from project.accounts import authentication, tokens
from project.accounts.authentication import REMEMBER_SECONDS, BearerAuthentication
from project.accounts.models import TokenScope
from workers.rest import ProblemError

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


def who(token: bytes, method: str = "get") -> User:
    header = "Bearer " + token.decode()
    request = getattr(APIRequestFactory(), method)("/", HTTP_AUTHORIZATION=header)
    user: User = BearerAuthentication().authenticate(Request(request))[0]
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


def test_an_expired_token_is_refused_and_its_row_is_left(ada: User) -> None:
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


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_a_token_of_the_scope_read_reads(ada: User, method: str) -> None:
    assert who(tokens.create(ada, scope="read").encode(), method) == ada


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_token_of_the_scope_read_is_refused_a_write_also_while_it_is_remembered(
    ada: User, method: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = tokens.create(ada, scope="read").encode()

    for queries in (1, 0):
        with django_assert_num_queries(queries), pytest.raises(ProblemError) as caught:
            who(token, method)
        assert (caught.value.status_code, caught.value.code) == (403, "insufficient_scope")
    assert "--scope write" in str(caught.value)


def test_a_token_of_the_scope_write_and_one_of_a_former_version_do_both(
    ada: User, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    former = new_token(ada)  # without a scope
    for token in (tokens.create(ada, scope="write").encode(), former):
        with django_assert_num_queries(1):
            assert (who(token), who(token, "post")) == (ada, ada)


def test_a_scope_that_is_narrowed_counts_as_soon_as_the_token_is_forgotten(ada: User, clock: Clock) -> None:
    token = tokens.create(ada).encode()
    who(token, "post")
    TokenScope.objects.update(scope="read")

    clock.now += REMEMBER_SECONDS
    with pytest.raises(ProblemError, match="scope read"):
        who(token, "post")


class OpenView(APIView):
    """A view with permissions of its own, and the authentication of the project."""

    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        return Response({})


def test_a_view_that_asks_for_no_permission_honours_the_scope_all_the_same(ada: User) -> None:
    def post(token: str) -> Response:
        request = APIRequestFactory().post("/", HTTP_AUTHORIZATION=f"Bearer {token}")
        response: Response = OpenView.as_view()(request)
        return response

    refused, done = post(tokens.create(ada, scope="read")), post(tokens.create(ada, scope="write"))

    assert (refused.status_code, refused.content_type) == (403, "application/problem+json")
    assert refused.data["code"] == "insufficient_scope"
    assert refused["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="write"'
    assert done.status_code == 200
