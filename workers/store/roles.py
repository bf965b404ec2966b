"""What this process may do with the store.

A process says its role once, at start, before it opens the store. One that says nothing is an ordinary one:
an existing project needs to say nothing at all.
"""

from enum import StrEnum


class Role(StrEnum):
    """One process, one role."""

    WEB = "web"
    """Serves requests, reads within a limit, and writes as WRITE_OUTSIDE_WRITER says."""
    WRITER = "writer"
    """The Celery worker that holds the lease and commits."""
    COMMAND = "command"
    """Any other: a command, a shell, a task, a web server of one's own. Writes with the store lock."""


_role = Role.COMMAND


def set_role(role: Role) -> None:
    """Declare what this process is. Connections opened earlier keep their former settings."""
    global _role  # one per process by definition
    _role = role


def current_role() -> Role:
    return _role
