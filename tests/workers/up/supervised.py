"""A process that supervises toy processes: `python -m tests.workers.up.supervised '<json>'`.

The JSON is a list of objects with the fields of `Process`; `ready` and `held_up` each name a file, and hold
while it exists. Prints what the console shows, and `ready: [...]` when `on_ready` is called.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from workers.up.output import Console
from workers.up.process import Process
from workers.up.supervisor import OWN_NAME, Supervisor


def _process(fields: dict[str, Any]) -> Process:
    ready, held_up, hidden = (fields.pop(key, None) for key in ("ready", "held_up", "hidden"))
    return Process(
        is_ready=lambda pid: ready is None or Path(ready).exists(),
        is_held_up=lambda: held_up is not None and Path(held_up).exists(),
        hidden_output=re.compile(hidden) if hidden else None,
        **fields,
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    processes = [_process(fields) for fields in json.loads(sys.argv[1])]
    supervisor = Supervisor(
        processes,
        console=Console(_say, names=[*(process.name for process in processes), OWN_NAME], colour=False),
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        on_start=lambda name, pid: _say(f"started: {name} {pid}"),
    )
    orderly = supervisor.run(lambda unready: _say(f"ready: {json.dumps(list(unready))}"))
    sys.exit(0 if orderly else 1)


if __name__ == "__main__":
    main()
