from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

Run = Callable[..., str]
"""Calls a command on a file of the test's directory, and returns what it said."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(command: str, name: str, text: str | bytes | None = None, **options: Any) -> str:
        if text is not None:
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        output = StringIO()
        call_command(command, str(tmp_path / name), stdout=output, stderr=output, **options)
        return output.getvalue()

    return call
