"""Users are added in the admin, and nobody waits for the hash of their passwords."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from project.accounts import passwords
from workers.store import opening

ADD = "/admin/auth/user/add/"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the store was kept from others, each time that something was hashed."""
    seen: list[bool] = []
    run = passwords._hashing.run

    def note(function: Callable[[], Any], **options: Any) -> Any:
        guard = opening.own_guard()
        assert guard is not None
        seen.append(guard.is_held)
        return run(function, **options)

    monkeypatch.setattr(passwords._hashing, "run", note)
    return seen


def fields(name: str, **more: str) -> dict[str, str]:
    secret = "before-1234-x"
    return {"username": name, "usable_password": "true", "password1": secret, "password2": secret} | more


@pytest.mark.sqlite  # it looks at the lock's file
def test_a_user_is_added_and_the_password_is_hashed_before(admin: Client, held: list[bool]) -> None:
    response = admin.post(ADD, fields("bob"))

    assert response.status_code == 302
    assert User.objects.get(username="bob").check_password("before-1234-x")
    assert held == [False]


def test_a_user_is_added_without_a_password(admin: Client) -> None:
    assert admin.post(ADD, fields("bob", usable_password="false")).status_code == 302

    assert not User.objects.get(username="bob").has_usable_password()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"password2": "another-1234"}, "The two password fields didn"),
        ({"password1": "12345678", "password2": "12345678"}, "This password is too common."),
        ({"password1": "", "password2": ""}, "This field is required."),
        ({"username": "ada"}, "A user with that username already exists."),
    ],
)
def test_what_is_wrong_is_said_as_django_says_it(admin: Client, more: dict[str, str], reason: str) -> None:
    assert reason in admin.post(ADD, fields("bob", **more)).text

    assert User.objects.count() == 1


def test_nothing_is_hashed_for_who_may_not_add(held: list[bool]) -> None:
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))

    assert clerk.post(ADD, fields("bob")).status_code == 403
    assert held == []
