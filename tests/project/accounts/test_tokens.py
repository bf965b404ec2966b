import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_token_model

from project.accounts import tokens

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
    run("create_token", "ada", "--expires-days", "2")

    expiry = get_token_model().objects.get().expiry
    assert abs(expiry - timezone.now() - timedelta(days=2)) < timedelta(minutes=1)


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "soon", "3651"])
def test_create_token_refuses_a_number_of_days_that_makes_no_sense(ada: User, days: str) -> None:
    with pytest.raises(CommandError, match="whole number of days from 1 to 3650"):
        run("create_token", "ada", f"--expires-days={days}")


@pytest.mark.parametrize(
    ("arguments", "scope"), [((), "write"), (("--scope", "read"), "read"), (("--scope", "write"), "write")]
)
def test_create_token_takes_the_scope(ada: User, arguments: tuple[str, ...], scope: str) -> None:
    run("create_token", "ada", *arguments)

    assert get_token_model().objects.get().granted.scope == scope


def test_create_token_refuses_a_scope_that_there_is_not(ada: User) -> None:
    with pytest.raises(CommandError, match=r"'admin' .*'?read'?, '?write'?"):
        run("create_token", "ada", "--scope", "admin")


def test_list_tokens_shows_whose_they_are_and_what_they_may(ada: User) -> None:
    bob = get_user_model().objects.create_user("bob")
    token = run("create_token", "ada", "--scope", "read").strip()
    former = get_token_model().objects.create(bob, expiry=timedelta(days=-1))[1]

    everybody, his = run("list_tokens"), run("list_tokens", "bob")

    assert re.search(rf"ada .* {token[:15]} .* read ", everybody)
    assert re.search(rf"bob .* {former[:15]} .* write .*, expired", everybody)
    assert token not in everybody
    assert token[:15] not in his


def test_list_tokens_says_when_there_is_none_and_nobody_of_that_name(ada: User) -> None:
    assert run("list_tokens").startswith("There is no token: ")
    assert run("list_tokens", "ada").startswith("'ada' has no token: ")
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("list_tokens", "nobody")


ADMIN = "/admin/knox/authtoken/"


@pytest.mark.usefixtures("clean_redis")
def test_a_token_is_made_and_its_scope_changed_in_the_admin(admin: Client) -> None:
    bob = get_user_model().objects.create_user("bob")
    fields = {"user": bob.pk, "scope": "read", "expiry_0": "2030-01-01", "expiry_1": "00:00:00"}
    made = admin.post(f"{ADMIN}add/", fields, follow=True)
    row = get_token_model().objects.get()
    [told] = re.findall(r"TOKEN (\w+)", made.text)
    was = row.granted.scope

    admin.post(f"{ADMIN}{row.pk}/change/", fields | {"scope": "write"})

    assert row.digest == hash_token(told)
    assert (row.user, was) == (bob, "read")
    assert get_token_model().objects.get().granted.scope == "write"


@pytest.mark.usefixtures("clean_redis")
def test_the_admin_shows_scopes_and_no_hashes(admin: Client) -> None:
    bob = get_user_model().objects.create_user("bob")
    tokens.create(bob, scope="read")
    get_token_model().objects.create(bob)  # by a former version

    shown = admin.get(ADMIN).text

    assert ['class="field-scope">Read' in shown, 'class="field-scope">Write' in shown] == [True, True]
    for row in get_token_model().objects.all():
        assert f">{row.digest}<" not in shown
        assert admin.get(f"{ADMIN}{row.pk}/change/").status_code == 200


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
