#!/usr/bin/env python
"""Run a management command of this project."""

import os
import sys


def main() -> None:
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
        # Not imported above: Django may be what is missing.
        from django.db import DatabaseError

        from project import store_errors

        line = store_errors.in_one_line(exc) if isinstance(exc, DatabaseError) else None
        if line is None:
            raise
        sys.exit(f"manage.py: {line}")


if __name__ == "__main__":
    main()
