"""A client that may retry: each write has a key, so it takes effect once, however often it is sent."""

import time
import uuid
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

AGAIN = {202, 429, 502, 503, 504}  # it waits, or nothing is known: the same request once more


def pause(said: str | None) -> float:
    """Return the seconds to wait by `Retry-After`: a number, or from a proxy perhaps a date. 0.5 to 30."""
    try:
        if said is None or said.isdecimal():
            seconds = float(said or 1)
        else:
            seconds = parsedate_to_datetime(said).replace(tzinfo=UTC).timestamp() - time.time()
    except (ValueError, OverflowError):  # neither
        seconds = 1.0
    return min(max(seconds, 0.5), 30.0)


class Client:
    """Writes and reads of one user, in one thread; `seconds` is how long a write is tried."""

    def __init__(self, url: str, token: str, seconds: float = 60) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self.seconds = seconds
        self.last_write = "0"

    def write(
        self, method: str, path: str, data: Any = None, key: str = "", **headers: str
    ) -> httpx.Response:
        """Return the response once the outcome is known. Keep `key` to go on after your own restart."""
        headers["Idempotency-Key"] = key or str(uuid.uuid4())
        deadline = time.monotonic() + self.seconds
        while True:
            response, wait = None, 1.0
            try:
                response = self.http.request(method, path, json=data, headers=headers)
            except httpx.TransportError:  # perhaps it was accepted, perhaps not
                if time.monotonic() > deadline:
                    raise
            if response is not None:
                waits = response.status_code == 409 and '"idempotency_key_in_progress"' in response.text
                if not (waits or response.status_code in AGAIN) or time.monotonic() > deadline:
                    self.last_write = response.headers.get("Write-Id", self.last_write)
                    return response
                wait = pause(response.headers.get("Retry-After"))
            time.sleep(wait)

    def read(self, path: str) -> httpx.Response:
        """Read what this client has written, also what was only accepted when its time was up."""
        return self.http.get(path, headers={"Read-After": self.last_write})
