"""One word per idea: the words that the glossary has replaced are gone from the code and its documents."""

import re
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR

RETIRED = {
    "answers?|answered|answering": "response, reply, outcome; responds with",
    "tenures?|employs?|employment": "leadership",
    "leftovers?": "pending entries",
    "deaths|deadly": "deliveries, poison",
    "faults?": "error",
    "codecs?": "parsers, renderers, negotiation",
    "remedy|remedies": "hint",
    "doubled": "duplicate",
    "beats?": "renews, is alive",
    "end_turn|its turn|takes? (?:its|a|the) turn": "store lock",
    "command leases?|CommandLease": "store lock",
    "Kind": "WriteStatus",
}
"""Each a regular expression of whole words, with what is said instead."""

PLACES = ("workers", "project", "items", "README.md", "CONTRIBUTING.md", "docs")
FORMER_NAMES = ("WRITE_MAX_DEATHS",)
"""Told to whoever still uses them."""

SUFFIXES = {".py", ".lua", ".md", ".html", ".css"}


def sources() -> list[Path]:
    places = [BASE_DIR / place for place in PLACES]
    found = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(file for file in found if file.suffix in SUFFIXES and "migrations" not in file.parts)


@pytest.mark.parametrize("word", RETIRED)
def test_a_retired_word_is_gone(word: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])", re.IGNORECASE if word != "Kind" else 0)

    used = [
        f"{file.relative_to(BASE_DIR)}:{number}: {line.strip()}"
        for file in sources()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if pattern.search(line) and not any(name in line for name in FORMER_NAMES)
    ]

    assert used == [], f"say: {RETIRED[word]}"


def test_there_is_something_to_read() -> None:
    assert len(sources()) > 100
