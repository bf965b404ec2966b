"""The Lua scripts of this room, as texts. Redis runs each without anything in between."""

from functools import cache
from pathlib import Path


@cache
def source(name: str) -> str:
    """Return the text of a script, such as `append.lua`."""
    return (Path(__file__).parent / name).read_text()
