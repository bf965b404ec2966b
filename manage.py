#!/usr/bin/env python
"""Run a management command of this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from project.environment import InvalidEnvironment

    try:
        from django.core.management import execute_from_command_line

        from workers.roles import Role, set_role

        # runserver answers requests, so it is a web process like any other.
        set_role(Role.WEB if sys.argv[1:2] == ["runserver"] else Role.COMMAND)
        execute_from_command_line(sys.argv)
    except InvalidEnvironment as exc:
        sys.exit(f"manage.py: {exc}")


if __name__ == "__main__":
    main()
