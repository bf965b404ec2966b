from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_token_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return get_user_model().objects.create_user("ada")


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_create_token_prints_a_valid_token_and_nothing_else(ada: User) -> None:
    output = run("create_token", "ada")

    stored = get_token_model().objects.get(digest=hash_token(output.removesuffix("\n")))
    assert stored.user == ada
    assert abs(stored.expiry - timezone.now() - timedelta(days=365)) < timedelta(minutes=1)


def test_create_token_takes_the_number_of_days(ada: User) -> None:
    run("create_token", "ada", "--days", "2")

    expiry = get_token_model().objects.get().expiry
    assert abs(expiry - timezone.now() - timedelta(days=2)) < timedelta(minutes=1)


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "soon", "3651"])
def test_create_token_refuses_a_number_of_days_that_makes_no_sense(ada: User, days: str) -> None:
    with pytest.raises(CommandError, match="whole number of days from 1 to 3650"):
        run("create_token", "ada", f"--days={days}")


def test_create_token_for_an_unknown_user_names_the_command_that_makes_one() -> None:
    with pytest.raises(CommandError, match=r"'nobody'.*createsuperuser"):
        run("create_token", "nobody")


def test_revoke_token_all_revokes_every_token_of_this_user_alone(ada: User) -> None:
    get_user_model().objects.create_user("bob")
    for username in ("ada", "ada", "bob"):
        run("create_token", username)

    assert run("revoke_token", "ada", "--all") == "Revoked 2 tokens of 'ada'.\n"
    assert get_token_model().objects.get().user.get_username() == "bob"


@pytest.mark.parametrize("length", [8, 15, 64])
def test_revoke_token_key_revokes_the_token_that_begins_so(ada: User, length: int) -> None:
    token, other = run("create_token", "ada").strip(), run("create_token", "ada").strip()

    assert run("revoke_token", "ada", "--key", token[:length]) == "Revoked 1 token of 'ada'.\n"
    assert get_token_model().objects.get().digest == hash_token(other)


def test_revoke_token_that_finds_nothing_says_so(ada: User) -> None:
    with pytest.raises(CommandError, match="'ada' has no such token"):
        run("revoke_token", "ada", "--key", "0123")
    with pytest.raises(CommandError, match="no user 'nobody'"):
        run("revoke_token", "nobody", "--all")
    with pytest.raises(CommandError, match="at least one character"):
        run("revoke_token", "ada", "--key", "")


def test_revoke_token_wants_to_be_told_which() -> None:
    with pytest.raises(CommandError, match="--all --key"):
        run("revoke_token", "ada")
