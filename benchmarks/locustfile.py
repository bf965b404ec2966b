"""Load on a running service with Locust (https://locust.io), which is not a dependency of this project.

    pip install locust
    locust -f benchmarks/locustfile.py --host http://127.0.0.1:8000 --users 64 --spawn-rate 64

then open http://localhost:8089, or add `--headless --run-time 30s`. The token is taken from the environment
variable TOKEN, else from the file demo-token in DATA_DIR (default: var/). `manage.py load_test` does the same
without Locust, and checks afterwards that every accepted item is in the store exactly once.
"""

import os
import uuid
from pathlib import Path

from locust import FastHttpUser, constant, task


def _token() -> str:
    if token := os.environ.get("TOKEN"):
        return token
    default = Path(__file__).resolve().parent.parent / "var"
    path = Path(os.environ.get("DATA_DIR") or default) / "demo-token"
    if not path.exists():
        raise SystemExit(f"Set TOKEN: there is no {path}.")
    return path.read_text().strip()


class ItemUser(FastHttpUser):
    """Posts items as fast as they are answered, and reads the latest one now and then."""

    wait_time = constant(0)

    def on_start(self) -> None:
        self.headers = {"Authorization": f"Bearer {_token()}"}
        self.location: str | None = None

    @task(20)
    def create(self) -> None:
        headers = self.headers | {"Idempotency-Key": f'"{uuid.uuid4()}"'}
        body = {"name": f"locust {uuid.uuid4()}"}
        with self.client.post("/api/items/", json=body, headers=headers, catch_response=True) as response:
            if response.status_code == 201:
                self.location = response.headers["Location"]
            elif response.status_code != 202:
                response.failure(f"{response.status_code} {response.text}")

    @task(1)
    def read(self) -> None:
        if self.location:
            self.client.get(self.location, headers=self.headers, name="/api/items/{id}/")
