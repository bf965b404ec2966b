"""A condition of a write: it travels with the write and is checked by the writer, where it cannot race.

It stands beside the arguments under CONDITION, and names the class that knows how to check it. The writer
does so in the write's savepoint, just before the write function, which knows nothing of it. It stays with a
write that is retried later.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

from workers.registry import class_named
from workers.writes import Write

CONDITION = "$condition"
"""The name beside the arguments under which the condition stands."""
BY = "by"
"""The name in a condition under which its class is named, as `module:class`."""


class Checker(Protocol):
    """A class that checks conditions."""

    @classmethod
    def check_condition(cls, condition: Mapping[str, Any]) -> None:
        """Raise WriteRejected, or what else rejects a write, when the condition does not hold."""


def checked(write: Write) -> Write:
    """Return the write as its function knows it, without its condition. Raises WriteRejected."""
    condition = write.arguments.get(CONDITION)
    if condition is None:
        return write
    cast(Checker, class_named(condition[BY])).check_condition(condition)
    return replace(write, arguments={name: one for name, one in write.arguments.items() if name != CONDITION})
