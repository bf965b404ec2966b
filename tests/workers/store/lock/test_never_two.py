"""Views, the writer, a shell, a task and migrations write one store, and never two at the same moment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

KINDS = ["view", "view", "writer", "shell", "task", "migrate"]
SECONDS = float(os.environ.get("NEVER_TWO_SECONDS", "2"))


def test_no_process_ever_finds_sqlites_own_lock_taken(migrated: Path, tmp_path: Path) -> None:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    environment = {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    program = [sys.executable, "-m", "tests.workers.store.lock.never_two"]
    running = [
        subprocess.Popen(
            [*program, kind, str(SECONDS)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in KINDS
    ]
    ended = [process.communicate(timeout=SECONDS + 60) for process in running]

    assert [process.returncode for process in running] == [0] * len(KINDS), [said for _, said in ended]
    assert all(int(count) > 0 for count, _ in ended)
