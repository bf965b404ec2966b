"""One client process: a few lanes, each a connection that sends one write after another and logs it all.

    python -m tests.torture.workload [--host H] --port P --token T --client 0 --lanes 3 --seed S --log FILE

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

from tests.torture import combined
from tests.torture.history import DONE, Verdict, from_events, item_name

RESPONSE_SECONDS = 15.0
RETRY_SECONDS = 25.0
"""How long a write with a key is tried again."""
ITEMS_AT_MOST = 30
THINK_SECONDS = 0.02
MIX = {"create": 27, "update": 40, "delete": 12, "bulk": 12, "transact": 9}
"""Operations by weight. Another one joins with a method of Lane of its name."""
CREATE_ONLY = frozenset({"create", "bulk"})


@dataclass
class Item:
    """What its lane knows of an item."""

    label: str
    item_id: int = 0
    """0 while only the creation's status resource can tell."""
    write_id: int = 0
    version: int = 0
    """0 when in doubt."""
    position: int | None = None
    """Of its part, where it was created with others."""


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
    host: str
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
            if operation in CREATE_ONLY or item is None:
                if len(self.items) < ITEMS_AT_MOST:
                    (self.bulk if operation == "bulk" else self.create)()
            else:
                act: Callable[[Item], None] = getattr(self, operation)
                act(item)
            self.stop.wait(self.chance.uniform(0, THINK_SECONDS))

    def create(self) -> None:
        label = self._next_label()
        done = self._perform(label, "POST", "/api/items/", Item(label), operation="create")
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
            item,
            operation="update",
            if_match=condition,
        )
        item.version = done["body"]["version"] if done.get("status") == 200 else 0
        if done.get("status") == 404:
            self.items.remove(item)

    def delete(self, item: Item) -> None:
        condition = self._condition(item)
        path = f"/api/items/{item.item_id}/"
        done = self._perform(self._next_label(), "DELETE", path, item, operation="delete", if_match=condition)
        item.version = 0
        if done.get("status") in {202, 204, 404}:
            self.items.remove(item)

    def bulk(self) -> None:
        label = self._next_label()
        body = combined.bulk_body(self.chance, label)
        done = self._perform(label, "POST", "/api/items/bulk/", Item(label), operation="bulk", body=body)
        self._add_new_items(done, combined.new_items(body, label))

    def transact(self, item: Item) -> None:
        label = self._next_label()
        version = self._expected_version(item)
        body = combined.transaction_body(
            self.chance, label, item=item.label, item_id=item.item_id, version=version
        )
        done = self._perform(
            label, "POST", "/api/transactions/", Item(label), operation="transact", body=body
        )
        item.version = 0
        if done.get("status") in {200, 202}:
            if any(one["op"] == "delete" and one["id"] == item.item_id for one in body["operations"]):
                self.items.remove(item)
            self._add_new_items(done, combined.new_items(body, label))

    def _add_new_items(self, done: dict[str, Any], labels: dict[int, str]) -> None:
        """Own what a write of several changes created, or may still create."""
        for position, label in labels.items():
            item = Item(label, write_id=done.get("write_id", 0), position=position)
            if done.get("status") in DONE:
                item.item_id = done["body"]["results"][position]["item"]["id"]
            if item.write_id:
                self.items.append(item)

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
            result = body["result"]
            shown = result if item.position is None else result["results"][item.position]["item"]
            item.item_id, item.version = shown["id"], 0
            return item
        if status != "queued":
            self.items.remove(item)
        return None

    def _condition(self, item: Item) -> str:
        """Return an If-Match for some requests: mostly the right one, sometimes a stale one."""
        version = self._expected_version(item)
        return "" if version is None else f'"{item.item_id}-{version}"'

    def _expected_version(self, item: Item) -> int | None:
        if not item.version or self.chance.random() < 0.4:
            return None
        is_stale = item.version > 1 and self.chance.random() < 0.1
        return item.version - is_stale

    def _next_label(self) -> str:
        self.count += 1
        return f"{self.name}.{self.count:06}"

    def _perform(
        self,
        label: str,
        method: str,
        path: str,
        item: Item,
        *,
        operation: str,
        if_match: str = "",
        body: Any = None,
    ) -> dict[str, Any]:
        """Send a write, with a key until it is settled; return the last answer's event."""
        is_async = self.chance.random() < 0.2
        key = f"key-{label}" if self.chance.random() < 0.6 else ""
        if body is None and method != "DELETE":
            body = {"name": item_name(item.label, label)}
        headers = {"Prefer": "respond-async"} if is_async else {}
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        headers |= {"If-Match": if_match} if if_match else {}
        about = {"operation": operation, "item": item.label, "item_id": item.item_id}
        about |= {"key": key, "if_match": if_match, "body": body}
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
            self.host, self.port, timeout=RESPONSE_SECONDS
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
    parser.add_argument("--host", default="127.0.0.1")
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
            lanes.append(Lane(name, options.host, options.port, options.token, chance, log, stop))
        with ThreadPoolExecutor(len(lanes)) as pool:
            for done in [pool.submit(lane.run) for lane in lanes]:
                done.result()  # raises what a lane died of, so that the run does not pass without it


if __name__ == "__main__":
    main()
