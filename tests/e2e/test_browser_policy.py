"""The content security policy in a real browser: nothing of a page is refused, and what is foreign is.

Needs Debian's chromium, and says so where it is missing.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.service import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the browser tests did not run: no chromium")


def opened(url: str, profile: Path) -> tuple[str, list[str]]:
    """Return the page as it is after its scripts have run, and what the browser's console says."""
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", f"--user-data-dir={profile}", "--enable-logging=stderr"),
        *("--virtual-time-budget=20000", "--dump-dom", url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "Ready: writes are committed"),
        ("/api/docs/", "opblock-summary-post"),  # made by the script, from the schema
        ("/admin/login/", 'id="id_password"'),
    ],
)
def test_a_page_works_under_the_policy(service: Service, tmp_path: Path, path: str, shown: str) -> None:
    page, console = opened(service.url + path, tmp_path)

    assert shown in page
    assert console == []
