"""Pages of the documentation that are made of the code: python -m tests.reference_pages

Commands as their parsers tell them, endpoints as the OpenAPI document has them, and the codes of errors.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import django
from django.core.management import get_commands, load_command_class

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"
APPS = ("workers", "project.demo", "project.accounts", "items")
COMMON = {
    "help",
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
} | {"skip_checks"}
"""Options of every command of Django's."""
BESIDE = {
    "": "what this is, whether it is ready, and where to go: a page, or JSON",
    "api/schema/": "the OpenAPI document, as YAML or with `?format=json`; for everybody",
    "api/docs/": "the same as a page",
    "metrics": "figures [for Prometheus](../metrics.md): 200, 401, 403, 429, 503",
    "admin/": "the admin",
}
"""What the project serves that is no part of the API's description."""
STATUS = re.compile(r"(\d{3})(?:: )?(.*)", re.DOTALL)


def commands() -> str:
    """Return the page of the commands that this service adds to Django's."""
    text = [
        "# Commands",
        "",
        "What `manage.py` has beside Django's own commands. `manage.py NAME --help` says the same.",
    ]
    for name, app in sorted(get_commands().items()):
        if app in APPS:
            text += ["", *_command(load_command_class(app, name).create_parser("manage.py", name), name)]
    return "\n".join(text) + "\n"


def _command(parser: argparse.ArgumentParser, name: str) -> list[str]:
    text = [f"## {name}", "", parser.description or ""]
    own = [action for action in parser._actions if action.dest not in COMMON]
    if own:
        text += ["", "| option | |", "|---|---|"]
    for action in own:
        metavar = (
            action.metavar if isinstance(action.metavar, str) else "{" + ",".join(action.choices or ()) + "}"
        )
        value = "" if action.nargs == 0 or metavar == "{}" else f" {metavar}"
        shown = ", ".join(action.option_strings) + value if action.option_strings else action.dest
        help_text = (action.help or "").replace("%(default)s", str(action.default))
        text.append(f"| `{shown}` | {help_text} |")
    return text


def endpoints() -> str:
    """Return the page of the API's operations."""
    from drf_spectacular.generators import SchemaGenerator  # needs the settings

    schema: dict[str, Any] = SchemaGenerator(urlconf="project.urls").get_schema(request=None, public=True)
    text = ["# Endpoints", "", "`/api/docs/` of a running service has the bodies, headers and examples.", ""]
    text += ["| request | what it does | responses |", "|---|---|---|"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            what = operation.get("summary") or operation.get("description", "").split("\n\n")[0]
            numbers = ", ".join(sorted(status for status in operation["responses"] if status.isdecimal()))
            text.append(f"| `{method.upper()} {path}` | {' '.join(what.split())} | {numbers} |")
    text += [
        "",
        "Any request may meet 400 (not HTTP as it should be, or not for this host), 405, 406, 411, 414, 431 "
        "and 500 besides. Each error has one of [these codes](errors.md).",
        "",
        "Beside the API, and so not in its description:",
        "",
        "| request | what it is |",
        "|---|---|",
        *(f"| `GET /{route}` | {what} |" for route, what in BESIDE.items()),
    ]
    return "\n".join(text) + "\n"


def errors() -> str:
    """Return the page of the codes that an error carries."""
    from project.api.schema import CODES  # needs the settings

    text = [
        "# Errors",
        "",
        "Every error of the API is a JSON object of the type `application/problem+json` (RFC 9457). "
        "Its `code` is stable and made for programs, its `detail` is a sentence for people, "
        "its `fields` has messages by field.",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
    ]
    for code, meaning in CODES.items():
        status, words = STATUS.fullmatch(meaning).groups()  # type: ignore[union-attr]
        text.append(f"| `{code}` | {status} | {words} |")
    return "\n".join(text) + "\n"


ALL = {"commands": commands, "endpoints": endpoints, "errors": errors}

if __name__ == "__main__":
    django.setup()
    for page, made in ALL.items():
        (PAGES / f"{page}.md").write_text(made())
