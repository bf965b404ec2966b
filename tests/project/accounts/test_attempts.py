"""Passwords may be tried a few times for each address and name, and what is refused costs no hashing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from pytest_django import Settings

from project.accounts import attempts, passwords
from tests.holding import store_held_by_another
from tests.workers.store.test_opening import run_python
from workers.rest import ProblemError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

QUICK = "django.contrib.auth.hashers.MD5PasswordHasher"
SLOW = "django.contrib.auth.hashers.PBKDF2PasswordHasher"


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.LOGIN_ATTEMPTS, settings.LOGIN_WINDOW_SECONDS = 3, 86_400
    settings.PASSWORD_HASHERS = [QUICK, SLOW]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was hashed, in the end."""
    calls: list[Any] = []
    run = passwords._hashing.run

    def note(function: Callable[[], Any], **options: Any) -> Any:
        calls.append(function)
        return run(function, **options)

    monkeypatch.setattr(passwords._hashing, "run", note)
    return calls


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password="right")


def log_in(name: str = "ada", password: str = "wrong", *, address: str = "192.0.2.1") -> Any:
    return Client().post(
        "/admin/login/?next=/admin/", {"username": name, "password": password}, REMOTE_ADDR=address
    )


def status(*arguments: str, **options: str) -> int:
    code: int = log_in(*arguments, **options).status_code
    return code


def test_past_the_limit_a_name_is_refused_at_its_address_before_anything_is_hashed(
    ada: User, hashed: list[Any]
) -> None:
    assert [status() for _ in range(3)] == [200] * 3
    assert len(hashed) == 3

    refused = log_in()
    right = log_in(password="right")

    assert refused.status_code == right.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 86_400
    assert "Too many attempts to log in" in refused.text
    assert len(hashed) == 3


def test_a_name_that_nobody_has_is_refused_alike(ada: User) -> None:
    known = [status("ada") for _ in range(5)]
    unknown = [status("nobody") for _ in range(5)]

    assert known == unknown == [200, 200, 200, 429, 429]


def test_strangers_do_not_lock_out_the_owner_of_a_name(ada: User) -> None:
    for stranger in range(20):
        for _ in range(3):
            status(address=f"198.51.100.{stranger}")

    assert status(password="right", address="192.0.2.7") == 302


def test_many_addresses_that_try_one_name_are_slowed_to_one_attempt_each(ada: User) -> None:
    for address in range(10):
        for _ in range(3):
            assert status(address=f"198.51.100.{address}") == 200

    assert [status(address="203.0.113.1") for _ in range(2)] == [200, 429]
    assert [status("grace", address="203.0.113.1") for _ in range(2)] == [200, 200]


def test_an_address_that_tries_many_names_is_refused(ada: User) -> None:
    tried = [status(f"user{number}") for number in range(16)]

    assert tried == [200] * 15 + [429]
    assert status("ada", "right") == 429
    assert status("ada", "wrong", address="192.0.2.2") == 200


def test_a_success_forgives_the_name_at_its_address_and_not_the_address(ada: User) -> None:
    for _ in range(4):
        assert [status() for _ in range(2)] == [200, 200]
        assert status(password="right") == 302

    tried = [status(f"user{number}") for number in range(8)]
    assert tried == [200] * 7 + [429]


def test_the_spelling_of_a_name_gives_no_further_attempts(ada: User) -> None:
    assert [status(name) for name in ("ada", "ADA", "Ada", "aDa")] == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
        (1, "made up, 203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (2, "made up, 203.0.113.9, 10.0.0.1", "192.0.2.1", "203.0.113.9"),
        (1, "", "192.0.2.1", "192.0.2.1"),
        (2, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
        (0, "", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (0, "", "::ffff:192.0.2.1", "192.0.2.1"),
        (0, "", "", ""),
    ],
)
def test_the_address_is_what_the_last_trusted_proxy_saw(
    settings: Settings, proxies: int, forwarded: str, peer: str, address: str
) -> None:
    settings.PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert attempts.address_of(request) == address


def test_attempts_at_the_same_instant_do_not_slip_through(ada: User) -> None:
    at_once = [attempts.Attempt("ada", "192.0.2.1") for _ in range(5)]
    for attempt in at_once[:3]:
        attempt.count()

    for attempt in at_once[3:]:
        with pytest.raises(ProblemError, match="Too many attempts"):
            attempt.count()


def test_without_redis_nobody_logs_in_and_nothing_is_hashed(
    ada: User, hashed: list[Any], settings: Settings
) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "unix:///nowhere/redis.sock"}}

    refused = log_in(password="right")

    assert refused.status_code == 503
    assert "attempts cannot be counted" in refused.text
    assert hashed == []


def test_guesses_at_the_old_password_of_a_session_are_limited_too(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    fields = {"old_password": "wrong", "new_password1": "after-5678-x", "new_password2": "after-5678-x"}

    responses = [client.post("/admin/password_change/", fields).status_code for _ in range(4)]

    assert responses == [200, 200, 200, 429]


@pytest.fixture
def old(settings: Settings) -> User:
    """A user whose password has an outdated hash."""
    settings.PASSWORD_HASHERS = [SLOW]
    user = User.objects.create_superuser("old", password="right")
    settings.PASSWORD_HASHERS = [QUICK, SLOW]
    return user


def test_who_logs_in_with_an_outdated_hash_stays_logged_in(old: User) -> None:
    client = Client()

    client.post("/admin/login/", {"username": "old", "password": "right"})

    assert User.objects.get(username="old").password.startswith("md5$")
    assert client.get("/admin/").status_code == 200


def test_a_login_notes_its_time(ada: User) -> None:
    log_in(password="right")

    assert User.objects.get().last_login is not None


@pytest.mark.sqlite  # it locks the lock's file
def test_a_login_that_cannot_be_noted_is_one_all_the_same(ada: User) -> None:
    with store_held_by_another():
        response = log_in(password="right")

    assert response.status_code == 302
    assert User.objects.get().last_login is None


def refuse_hashes(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if 'SET "password"' in sql:
        raise OperationalError("disk I/O error")
    return execute(sql, params, many, context)


def test_a_hash_that_cannot_be_saved_keeps_nobody_from_logging_in(old: User) -> None:
    client = Client()

    with connection.execute_wrapper(refuse_hashes):
        response = client.post("/admin/login/?next=/admin/", {"username": "old", "password": "right"})

    assert response.status_code == 302
    assert User.objects.get().password == old.password
    assert client.get("/admin/").status_code == 200


def test_a_password_that_was_changed_meanwhile_is_not_replaced_by_a_hash_of_the_former(
    old: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for = passwords.set_for

    def changed_meanwhile(user: User, password: str) -> None:
        set_for(user, password)
        User.objects.update(password="another")

    monkeypatch.setattr(passwords, "set_for", changed_meanwhile)
    client = Client()
    client.post("/admin/login/", {"username": "old", "password": "right"})

    assert User.objects.get().password == "another"
    assert client.get("/admin/").status_code == 302  # the session was bound to the password of before


def test_a_password_with_an_outdated_hash_can_be_changed(old: User, hashed: list[Any]) -> None:
    client = Client()
    client.force_login(old)
    User.objects.update(first_name="by another")  # it is only the password that is saved
    fields = {"old_password": "right", "new_password1": "after-5678-x", "new_password2": "after-5678-x"}

    response = client.post("/admin/password_change/", fields)

    assert response.status_code == 302
    assert User.objects.get(first_name="by another").check_password("after-5678-x")
    assert client.get("/admin/").status_code == 200
    assert len(hashed) == 2  # the old one and the new one, each in the lane


def test_a_new_password_is_checked_as_django_checks_it(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    fields = {"old_password": "right", "new_password1": "12345678", "new_password2": "12345678"}

    response = client.post("/admin/password_change/", fields)

    assert "too common" in response.text
    assert User.objects.get().check_password("right")


def test_hashing_does_not_hold_the_event_loop(tmp_path: Path) -> None:
    printed = run_python(
        "import asyncio\n"
        "from project.accounts import passwords\n"
        "from workers.event_loop import fibers\n"
        "made = asyncio.get_running_loop().create_task(fibers.run(passwords.make, 'secret'))\n"
        "turns = 0\n"
        "while not made.done():\n"
        "    turns += 1\n"
        "    fibers.wait_for(asyncio.sleep(0.005))\n"
        "hashed = made.result()\n"
        "print(turns > 5, passwords.check('secret', hashed), passwords.check('other', hashed))\n",
        tmp_path,
        in_fiber=True,
    )

    assert printed == "True (True, False) (False, False)"
