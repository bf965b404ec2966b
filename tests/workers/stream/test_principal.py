import pytest

from workers import Write, user_id


@pytest.mark.parametrize(("principal", "expected"), [("7", 7), ("", None)])
def test_a_write_function_gets_the_users_key_in_its_own_type(principal: str, expected: int | None) -> None:
    write = Write(function="f", arguments={}, token="", principal=principal)

    assert user_id(write) == expected
