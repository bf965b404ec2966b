"""Bare Celery round trips, each after some quiet: `round_trip <count> <seconds of quiet>`.

Prints a line when it is about to begin, and then the latencies in seconds as a JSON list.
"""

import json
import sys
import time

import django

django.setup()

from benchmarks.peers.celery_app import nothing  # noqa: E402


def main(count: int, quiet_seconds: float) -> None:
    nothing.delay().get(timeout=30)
    print("ready", flush=True)
    latencies = []
    for _ in range(count):
        time.sleep(quiet_seconds)
        started = time.perf_counter()
        nothing.delay().get(timeout=30)
        latencies.append(time.perf_counter() - started)
    print(json.dumps(latencies), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
