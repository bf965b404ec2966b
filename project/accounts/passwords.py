"""Hashing of passwords in web processes: slow on purpose, so in a thread, and one at a time in each process.

Whatever checks or makes a hash in a web process does it here.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.hashers import check_password, make_password

from workers import Busy, Lane
from workers.rest import ProblemError

T = TypeVar("T")

MOST_WAITING = 20
WAIT_SECONDS = 5.0

_hashing = Lane(most_waiting=MOST_WAITING)


def check(password: str, encoded: str) -> tuple[bool, bool]:
    """Return whether it is the password, and if so, whether its hash is out of date. Raises ProblemError."""
    outdated: list[str] = []

    def work() -> bool:
        return check_password(password, encoded, setter=outdated.append)

    return _hash(work), bool(outdated)


def make(password: str) -> str:
    """Return a new hash. Raises ProblemError."""
    return _hash(lambda: make_password(password))


def set_for(user: Any, password: str) -> None:
    """Give the user a new password, which is not saved yet. Raises ProblemError."""
    _hash(lambda: user.set_password(password))


def refuse_when_busy() -> None:
    """Raise ProblemError when so many wait that one more has no chance."""
    if _hashing.is_full():
        raise _busy()


def _hash(work: Callable[[], T]) -> T:
    try:
        return _hashing.run(work, within_seconds=WAIT_SECONDS)
    except Busy as exc:
        raise _busy() from exc


def _busy() -> ProblemError:
    detail = "Too many passwords are being checked. Try again in a moment."
    return ProblemError(503, "logins_unavailable", detail, headers={"Retry-After": "2"})
