import pytest

from workers import Write


@pytest.mark.parametrize(("principal", "user_id"), [("7", 7), ("", None)])
def test_a_write_function_gets_the_users_key_in_its_own_type(principal: str, user_id: int | None) -> None:
    write = Write(function="f", arguments={}, token="", principal=principal)

    assert write.user_id == user_id
