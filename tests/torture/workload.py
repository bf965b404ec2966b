"""One client process: a few lanes, each a connection that sends one write after another and logs it all.

    python -m tests.torture.workload --port P --token T --client 0 --lanes 3 --seed S --log FILE

Runs until SIGTERM; then each lane finishes its request. A lane owns its items: nobody else changes them.
"""

import argparse
import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.torture.history import DONE, Verdict, from_events, item_name

ANSWER_SECONDS = 15.0
RETRY_SECONDS = 25.0
"""How long a write with a key is tried again."""
ITEMS_AT_MOST = 30
THINK_SECONDS = 0.02
MIX = {"create": 40, "update": 45, "delete": 15}
"""Operations by weight. Another one joins with a method of Lane of its name."""


@dataclass
class Item:
    """What its lane knows of an item."""

    label: str
    item_id: int = 0
    """0 while only the creation's status resource can tell."""
    write_id: int = 0
    version: int = 0
    """0 when in doubt."""


class Log:
    """The client's log, a line at a time from any lane."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._mutex = threading.Lock()

    def write(self, event: str, label: str, **fields: Any) -> dict[str, Any]:
        line = {"event": event, "label": label, "at": time.time(), **fields}
        with self._mutex:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        return line


@dataclass
class Lane:
    """One connection and the items that it owns."""

    name: str
    port: int
    token: str
    chance: random.Random
    log: Log
    stop: threading.Event
    items: list[Item] = field(default_factory=list)
    count: int = 0
    connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self.stop.is_set():
            operation = self.chance.choices(list(MIX), list(MIX.values()))[0]
            item = self._known_item()
            if operation == "create" or item is None:
                if len(self.items) < ITEMS_AT_MOST:
                    self.create()
            else:
                act: Callable[[Item], None] = getattr(self, operation)
                act(item)
            self.stop.wait(self.chance.uniform(0, THINK_SECONDS))

    def create(self) -> None:
        label = self._next_label()
        done = self._perform(label, "POST", "/api/items/", item=Item(label), operation="create")
        item = Item(label, write_id=done.get("write_id", 0))
        if done.get("status") == 201:
            item.item_id, item.version = done["body"]["id"], done["body"]["version"]
        if item.write_id:
            self.items.append(item)

    def update(self, item: Item) -> None:
        condition = self._condition(item)
        done = self._perform(
            self._next_label(),
            self.chance.choice(["PUT", "PATCH"]),
            f"/api/items/{item.item_id}/",
            item=item,
            operation="update",
            if_match=condition,
        )
        item.version = done["body"]["version"] if done.get("status") == 200 else 0
        if done.get("status") == 404:
            self.items.remove(item)

    def delete(self, item: Item) -> None:
        condition = self._condition(item)
        path = f"/api/items/{item.item_id}/"
        done = self._perform(
            self._next_label(), "DELETE", path, item=item, operation="delete", if_match=condition
        )
        item.version = 0
        if done.get("status") in {202, 204, 404}:
            self.items.remove(item)

    def _known_item(self) -> Item | None:
        """Return an item whose id is known, asking for it where the creation was only accepted."""
        if not self.items:
            return None
        item = self.chance.choice(self.items)
        if item.item_id:
            return item
        answer = self._ask("GET", f"/api/writes/{item.write_id}/", None, {})
        if answer.get("status") not in {200, 404}:
            return None
        body = answer["body"] or {}
        status = body.get("status", "missing") if answer["status"] == 200 else "missing"
        self.log.write("status", item.label, write_id=item.write_id, status=status)
        if status == "committed":
            item.item_id, item.version = body["result"]["id"], 0
            return item
        if status != "queued":
            self.items.remove(item)
        return None

    def _condition(self, item: Item) -> str:
        """Return an If-Match for some requests: mostly the right one, sometimes a stale one."""
        if not item.version or self.chance.random() < 0.4:
            return ""
        stale = self.chance.random() < 0.1
        return f'"{item.item_id}-{item.version - stale}"'

    def _next_label(self) -> str:
        self.count += 1
        return f"{self.name}.{self.count:06}"

    def _perform(
        self, label: str, method: str, path: str, *, item: Item, operation: str, if_match: str = ""
    ) -> dict[str, Any]:
        """Send a write, with a key until it is settled; return the last answer's event."""
        is_async = self.chance.random() < 0.2
        key = f"key-{label}" if self.chance.random() < 0.6 else ""
        body = None if method == "DELETE" else {"name": item_name(item.label, label)}
        headers = {"Prefer": "respond-async"} if is_async else {}
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        headers |= {"If-Match": if_match} if if_match else {}
        about = {"operation": operation, "item": item.label, "item_id": item.item_id}
        about |= {"key": key, "if_match": if_match}
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            send = self.log.write("send", label, **about)
            answer = self._ask(method, path, body, headers)
            seen = self.log.write(*(("answer", label) if answer.get("status") else ("lost", label)), **answer)
            verdict = from_events([send, seen]).writes[0].attempts[0].verdict
            is_open = verdict in {Verdict.UNKNOWN, Verdict.REFUSED} or answer.get("status") == 409
            if is_open:
                time.sleep(self.chance.uniform(0.02, 0.2))
            if not (is_open and key) or time.monotonic() > deadline or self.stop.is_set():
                return seen

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        """Return status, code, write id and body of the answer, or why there is none."""
        connection = self.connection or http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=ANSWER_SECONDS
        )
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as exc:
            return {"reached": False, "why": repr(exc)}
        self.connection = connection
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"} | headers
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            content = json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as exc:
            connection.close()
            self.connection = None
            return {"reached": True, "why": repr(exc)}
        code = content.get("code", "") if isinstance(content, dict) and response.status not in DONE else ""
        write_id = int(response.headers.get("Write-Id", 0))
        return {"status": response.status, "code": code, "write_id": write_id, "body": content}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--client", type=int, required=True)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    with options.log.open("a") as file:
        log = Log(file)
        lanes = []
        for number in range(options.lanes):
            name = f"{options.client}.{number}"
            chance = random.Random(f"{options.seed}/{name}")
            lanes.append(Lane(name, options.port, options.token, chance, log, stop))
        with ThreadPoolExecutor(len(lanes)) as pool:
            for done in [pool.submit(lane.run) for lane in lanes]:
                done.result()  # raises what a lane died of, so that the run does not pass without it


if __name__ == "__main__":
    main()
