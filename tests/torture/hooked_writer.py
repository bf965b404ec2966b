"""The worker with hooks of the test's own, so that it can be made to die at an exact moment.

    TORTURE_HOOKS=<directory> python -m tests.torture.hooked_writer <options of `manage.py writer`>

When a file named like a moment is in the directory, whoever reaches that moment first removes it and dies.
TORTURE_BREAK_RECEIPTS=1 breaks the receipt check, to show that the checker notices.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manage import main
from workers.store import receipts
from workers.stream import outcomes, redis_stream

BEFORE_COMMIT = "before-commit"
"""The receipts are written, the transaction is open."""
AFTER_COMMIT = "after-commit"
"""The batch is durable, nobody knows."""
AFTER_ANNOUNCE = "after-announce"
"""The clients know, the stream still holds the batch."""
MOMENTS = (BEFORE_COMMIT, AFTER_COMMIT, AFTER_ANNOUNCE)


def die_at(moment: str) -> None:
    """Die, if somebody asked for it."""
    try:
        Path(os.environ["TORTURE_HOOKS"], moment).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def before(function: Callable[..., Any], moment: str) -> Callable[..., Any]:
    def hooked(*arguments: Any, **options: Any) -> Any:
        die_at(moment)
        return function(*arguments, **options)

    return hooked


def after(function: Callable[..., Any], moment: str) -> Callable[..., Any]:
    def hooked(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        die_at(moment)
        return result

    return hooked


def break_receipts() -> None:
    """Forget what was committed. The unique index on tokens would notice, so it is silenced too."""
    receipts.find = lambda tokens: {}
    receipts._INSERT = receipts._INSERT.replace("INSERT", "INSERT OR IGNORE", 1)


if __name__ == "__main__":
    receipts.insert = after(receipts.insert, BEFORE_COMMIT)
    outcomes.announce = before(outcomes.announce, AFTER_COMMIT)
    redis_stream.acknowledge = before(redis_stream.acknowledge, AFTER_ANNOUNCE)
    if os.environ.get("TORTURE_BREAK_RECEIPTS"):
        break_receipts()
    sys.argv[:1] = ["manage.py", "writer"]
    main()
