"""Queue creates as a web process does, 200 in each round trip: `fill_stream <run> <count>`.

Runs on the service's own settings, and calls what the service's submitter calls.
"""

import sys
from dataclasses import replace

import django

django.setup()

from benchmarks.load import name_prefix  # noqa: E402
from workers import Write  # noqa: E402
from workers.stream.append import Appender, Fate, appended  # noqa: E402
from workers.stream.redis_client import connect  # noqa: E402
from workers.submission.sender import APPENDS_AT_ONCE  # noqa: E402
from workers.writes import encode, new_token  # noqa: E402


def main(run: str, count: int) -> None:
    client = connect(timeout_seconds=10)
    appender = Appender()
    client.script_load(appender.script)
    for start in range(0, count, APPENDS_AT_ONCE):
        writes = [_write(run, number) for number in range(start, min(start + APPENDS_AT_ONCE, count))]
        replies = appended(client.execute_command(*appender.command(writes))).replies
        refused = [reply for reply in replies if reply.fate is not Fate.ACCEPTED]
        if refused:
            sys.exit(f"not accepted: {refused[0].fate}")


def _write(run: str, number: int) -> Write:
    name = f"{name_prefix(run)}{number}"
    # The principal is the id of the user who asks, as the view has it.
    write = Write(
        function="items.create", arguments={"data": {"name": name}}, token=new_token(), principal="1"
    )
    return replace(write, payload=encode(write))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
