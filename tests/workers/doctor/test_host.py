"""What the machine does to Redis, judged by plain values."""

import pytest

from workers.doctor import Level, host
from workers.redis_address import parse


@pytest.mark.parametrize(
    ("value", "here", "level"),
    [
        (1, True, Level.OK),
        (1, False, Level.OK),
        (0, True, Level.WARNING),
        (2, True, Level.WARNING),
        (0, False, Level.INFO),
    ],
)
def test_memory_that_linux_may_refuse_to_a_redis_here_is_a_warning(
    value: int, here: bool, level: Level
) -> None:
    finding = host.judge_overcommit(value, redis_is_here=here)

    assert finding.level is level
    assert ("sysctl vm.overcommit_memory=1" in finding.hint) is (level is Level.WARNING)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("unix:///run/redis.sock", True),
        ("redis://localhost:6379/0", True),
        ("redis://127.0.0.1/1", True),
        ("redis://[::1]:6379", True),
        ("redis://redis:6379/0", False),
        ("redis://10.0.0.7/0", False),
        ("redis+sentinel://localhost:26379/mymaster", False),
    ],
)
def test_a_redis_is_on_this_machine_where_its_address_says_so(url: str, here: bool) -> None:
    assert host.is_here(parse(url)) is here
