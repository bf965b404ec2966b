"""`python -m tests.on_postgresql`: the suite with PostgreSQL as the store, where its server is here.

Each process of pytest makes a cluster of its own (tests/clusters.py). What is about SQLite's files is passed
by. Arguments are pytest's.
"""

import os
import subprocess
import sys

from tests import clusters

DEFAULT = ["-n", "3", "--dist", "loadgroup", "tests/items", "tests/project", "tests/workers"]
"""Without arguments. The services of tests/e2e are on SQLite, but for those of test_postgresql.py."""


def main() -> int:
    if reason := clusters.unavailable():
        print(f"Not run on PostgreSQL: {reason}.")  # noqa: T201 - what this program is for
        return 0
    print("On PostgreSQL:", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "pytest", *(sys.argv[1:] or DEFAULT)]
    return subprocess.run(command, env=os.environ | {"TEST_STORE": "postgresql"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
