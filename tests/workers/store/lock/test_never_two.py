"""Views, the writer, a shell, a task and migrations write one store, and never two at the same moment."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import forks
from tests.e2e.service import BASE_DIR

KINDS = ["view", "view", "writer", "shell", "task", "migrate"]
SECONDS = float(os.environ.get("NEVER_TWO_SECONDS", "2"))


def test_no_process_ever_finds_sqlites_own_lock_taken(migrated: Path, tmp_path: Path) -> None:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    environment = {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"}

    def write(kind: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.workers.store.lock.never_two", kind, str(SECONDS)]
        return forks.run(command, env=os.environ | environment, cwd=BASE_DIR, timeout=SECONDS + 60)

    with ThreadPoolExecutor(len(KINDS)) as pool:
        ended = list(pool.map(write, KINDS))

    assert [one.returncode for one in ended] == [0] * len(KINDS), [one.stderr for one in ended]
    assert all(int(one.stdout) > 0 for one in ended)
