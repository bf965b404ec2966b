import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from workers import Write, user_id


def write_of(principal: str) -> Write:
    return Write(function="f", arguments={}, token="", principal=principal)


@pytest.mark.parametrize(("principal", "expected"), [("7", 7), ("", None)])
def test_a_write_function_gets_the_users_key_in_its_own_type(principal: str, expected: int | None) -> None:
    assert user_id(write_of(principal)) == expected


def test_the_user_is_read_when_it_is_asked_for_and_once(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ada = User.objects.create(username="ada")
    write = write_of(str(ada.pk))

    with django_assert_num_queries(1):
        assert (write.user, write.user.username) == (ada, "ada")


@pytest.mark.parametrize("principal", ["", "999"])
def test_nobody_and_who_is_gone_are_anonymous(db: None, principal: str) -> None:
    assert write_of(principal).user.is_anonymous
