"""What the running service responded, in the OpenAPI document: bodies, and the headers that come with them.

Recorded by `python -m tests.recorded_examples`; tests compare it with what the service responds now.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

FILE = Path(__file__).parent / "recorded_examples.json"
HEADERS = {
    "Write-Id": "The write's id: its place in the order of acceptance.",
    "Location": "Where the object is, or where to ask for the write's outcome.",
    "ETag": "The version of the object: for If-Match.",
    "Retry-After": "When to ask again, in seconds.",
    "Preference-Applied": "What of `Prefer` was followed (RFC 7240).",
    "WWW-Authenticate": "How to authenticate (RFC 9110).",
}
"""Each header that a response may carry beyond those of every HTTP response, and what it says."""


@cache
def recorded() -> dict[str, list[Schema]]:
    """Return the examples of each operation, such as `POST /api/items/`, in the order of the recording."""
    examples: dict[str, list[Schema]] = json.loads(FILE.read_text())
    return examples


def add_examples(operation_name: str, responses: dict[str, Schema]) -> None:
    """Add to each response of an operation what was recorded of it; other errors are the default's."""
    for example in recorded().get(operation_name, ()):
        response = responses.get(str(example["status"]), responses["default"])
        headers = response.setdefault("headers", {})
        for name in example["headers"]:
            headers[name] = {"description": HEADERS[name], "schema": {"type": "string"}}
        content = response.get("content", {}).get(example["media_type"])
        if content is not None:
            name = example["summary"].lower().replace(" ", "-")
            content.setdefault("examples", {})[name] = {
                "summary": example["summary"],
                "value": example["body"],
            }
