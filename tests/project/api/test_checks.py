"""Settings of the environment that contradict each other are named."""

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from project.api.checks import check_hsts
from tests.e2e.service import BASE_DIR


@pytest.mark.parametrize(
    ("seconds", "header", "is_named"),
    [
        (0, None, False),
        (60, None, True),
        (60, ("HTTP_X_FORWARDED_PROTO", "https"), False),
    ],
)
def test_a_header_that_would_never_be_sent_is_named(
    settings: Settings, seconds: int, header: tuple[str, str] | None, is_named: bool
) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_PROXY_SSL_HEADER = seconds, header

    assert [message.id for message in check_hsts()] == (["project.W001"] if is_named else [])


def test_check_says_so_from_the_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=BASE_DIR,
        env={"PATH": "", "DATA_DIR": str(tmp_path), "HSTS_SECONDS": "60"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "(project.W001) HSTS_SECONDS is 60" in done.stderr
    assert "TRUST_X_FORWARDED_PROTO=1" in done.stderr
