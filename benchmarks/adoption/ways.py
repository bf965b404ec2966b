"""The ways that are compared: the lines that each adds to the end of a project's settings."""

from dataclasses import dataclass

DEFAULTS, TUNED, STORE_LOCK = "defaults", "tuned", "store-lock"

TUNED_LINES = """
DATABASES["default"]["OPTIONS"] = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run an application."""

    name: str
    label: str
    lines: str
    """Python, appended to the settings."""


WAYS = {
    way.name: way
    for way in (
        Way(name=DEFAULTS, label="Django's defaults", lines=""),
        Way(name=TUNED, label="tuned: WAL, IMMEDIATE, FULL, 20 s", lines=TUNED_LINES),
        Way(
            name=STORE_LOCK,
            label='`INSTALLED_APPS += ["workers"]`: the store lock',
            lines='\nINSTALLED_APPS += ["workers"]\n',
        ),
    )
}
