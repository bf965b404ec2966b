"""Clients of ordinary views: a few lanes, each a connection that sends one change after another.

    python -m tests.torture.ordinary.workload --port P --lanes 3 --seed S --log FILE

Runs until SIGTERM. A lane owns its topics; of one whose change has no certain end it speaks no more.
"""

import argparse
import http.client
import json
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

PATH = "/api/ordinary/"
RESPONSE_SECONDS = 40.0
THINK_SECONDS = 0.05
TOPICS_AT_MOST = 20


class Lane:
    """One connection."""

    def __init__(self, name: str, port: int, seed: str, file: TextIO, stop: threading.Event) -> None:
        self._name, self._port, self._file, self._stop = name, port, file, stop
        self._chance = random.Random(f"{seed} {name}")
        self._connection: http.client.HTTPConnection | None = None
        self._topics: list[str] = []
        self._count = 0

    def run(self) -> None:
        while not self._stop.is_set():
            self._count += 1
            label = f"{self._name}.{self._count:06}"
            operation = self._chance.choices(["create", "update", "delete"], [3, 5, 2])[0]
            if not self._topics or (operation == "create" and len(self._topics) < TOPICS_AT_MOST):
                operation, item = "create", label
            else:
                operation = "update" if operation == "create" else operation
                item = self._chance.choice(self._topics)
            self._perform(label, operation, item)
            self._stop.wait(self._chance.uniform(0, THINK_SECONDS))

    def _perform(self, label: str, operation: str, item: str) -> None:
        about = {"label": label, "operation": operation, "item": item}
        answer = self._ask(about)
        self._file.write(json.dumps(about | answer) + "\n")
        self._file.flush()
        is_done = answer["status"] == 200
        if operation == "create" and is_done:
            self._topics.append(item)
        elif item in self._topics and ((operation == "delete" and is_done) or not answer["status"]):
            self._topics.remove(item)

    def _ask(self, about: dict[str, str]) -> dict[str, Any]:
        """Return the status of the response, 0 where there was none, and the id of the note."""
        connection = self._connection or http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=RESPONSE_SECONDS
        )
        try:
            if connection.sock is None:
                connection.connect()
        except OSError:
            return {"status": 0, "reached": False}
        self._connection = connection
        try:
            connection.request("POST", PATH, json.dumps(about), {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._connection = None
            return {"status": 0, "reached": True}
        told = json.loads(content)["id"] if response.status == 200 else None
        said = "" if response.status == 200 else content.decode(errors="replace")[:200]
        return {"status": response.status, "reached": True, "id": told, "said": said}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    with options.log.open("a") as file, ThreadPoolExecutor(options.lanes) as pool:
        lanes = [Lane(f"o{n}", options.port, options.seed, file, stop) for n in range(options.lanes)]
        for done in [pool.submit(lane.run) for lane in lanes]:
            done.result()


if __name__ == "__main__":
    main()
