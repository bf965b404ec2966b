#!/usr/bin/env python
"""Run a management command of this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from project.environment import InvalidEnvironment

    try:
        from django.core.management import execute_from_command_line

        from workers import LeaseUnavailable, Role, WrongStore, forbid_pause, set_role

        # runserver answers requests, so it is a web process like any other.
        set_role(Role.WEB if sys.argv[1:2] == ["runserver"] else Role.COMMAND)
        if "--no-pause" in sys.argv:
            sys.argv.remove("--no-pause")  # an option of every command, so no command knows of it
            forbid_pause()
        execute_from_command_line(sys.argv)
    except (InvalidEnvironment, LeaseUnavailable, WrongStore) as exc:
        sys.exit(f"manage.py: {exc}")
    except Exception as exc:
        # Not imported above: Django may be what is missing.
        from django.db import DatabaseError

        from project import store_errors

        line = store_errors.in_one_line(exc) if isinstance(exc, DatabaseError) else None
        if line is None:
            raise
        sys.exit(f"manage.py: {line}")


if __name__ == "__main__":
    main()
