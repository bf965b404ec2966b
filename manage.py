#!/usr/bin/env python
"""Run a management command of this project."""

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("celery", "django", "redis", "rest_framework")
"""Packages without which no command runs: where one is missing, this is not the Python that has them."""

OWN_PYTHON = ".venv/bin/python"
"""What `make run` makes, beside this file."""


def refuse_other_pythons() -> None:
    """End with one line that says how to run the command, unless this Python has the service's packages."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return
    place = Path(__file__).resolve().parent
    how = "`make run` installs them in .venv and starts the service."
    if Path(sys.prefix) != place / ".venv" and (place / OWN_PYTHON).exists():
        near = Path.cwd() == place
        words = [OWN_PYTHON, "manage.py"] if near else [str(place / OWN_PYTHON), str(place / "manage.py")]
        how = f"Run {shlex.join([*words, *sys.argv[1:]])}"
    sys.exit(f"manage.py: {sys.executable} has no {', '.join(missing)}. {how}")


def main() -> None:
    refuse_other_pythons()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from project.environment import InvalidEnvironment

    try:
        from django.core.management import execute_from_command_line

        from workers import Role, StoreBusy, WrongStore, set_role

        # It serves requests, so it is a web process like any other.
        if sys.argv[1:2] == ["runserver"]:
            set_role(Role.WEB)
        execute_from_command_line(sys.argv)
    except (InvalidEnvironment, StoreBusy, WrongStore) as exc:
        sys.exit(f"manage.py: {exc}")
    except Exception as exc:
        # Not imported at the top: Django may be what is missing.
        from django.db import DatabaseError

        from project import store_errors

        line = store_errors.in_one_line(exc) if isinstance(exc, DatabaseError) else None
        if line is None:
            raise
        sys.exit(f"manage.py: {line}")


if __name__ == "__main__":
    main()
