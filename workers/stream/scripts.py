"""Lua scripts, as texts. Redis runs each without anything in between."""

from functools import cache
from pathlib import Path


@cache
def source(name: str, room: Path = Path(__file__).parent) -> str:
    """Return the text of a script, such as `append.lua`, of this room or another one."""
    return (room / name).read_text()
