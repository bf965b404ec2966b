"""What this process may do with the store.

A process says its role once, at start, before it opens the store. A process that says nothing is a web
process: the role that may do least is the one that is safe to forget.
"""

from enum import StrEnum


class Role(StrEnum):
    """One process, one role."""

    WEB = "web"
    """Serves requests. Reads the store, never writes it."""
    WRITER = "writer"
    """The Celery worker that holds the lease and commits."""
    COMMAND = "command"
    """A management command, run by a person or a deploy script."""


_role = Role.WEB


def set_role(role: Role) -> None:
    """Declare what this process is. Connections opened earlier keep their former settings."""
    global _role  # one per process by definition
    _role = role


def current_role() -> Role:
    return _role
