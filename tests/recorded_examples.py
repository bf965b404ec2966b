"""The examples of the OpenAPI document, made by a running service: python -m tests.recorded_examples"""

import json
import tempfile
from pathlib import Path
from typing import Any

from project.api.examples import FILE, HEADERS
from tests.e2e.service import Answer, Service, prepare_data

ITEM = {"name": "first item"}
LATER = {"Prefer": "respond-async"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


class _Recorder:
    """Asks a service that has no items, and keeps what it responds."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.examples: dict[str, list[dict[str, Any]]] = {}

    def ask(
        self, operation: str, summary: str, body: Any = None, *, path: str = "", **options: Any
    ) -> Answer:
        """Ask, and record the response as one of this operation, such as `GET /api/items/{id}/`."""
        method, _, template = operation.partition(" ")
        answer = self._service.request(method, path or template, body, **options)
        self.examples.setdefault(operation, []).append(
            {
                "summary": summary,
                "status": answer.status,
                "headers": {name: answer.headers[name] for name in HEADERS if name in answer.headers},
                "media_type": answer.headers.get("Content-Type", "").partition(";")[0],
                "body": answer.json() if answer.body else None,
            }
        )
        return answer


def record(service: Service) -> dict[str, list[dict[str, Any]]]:
    """Return what a new service responds to each operation, by operation."""
    recorder = _Recorder(service)
    ask = recorder.ask
    items, item, write = "/api/items/", "/api/items/{id}/", "/api/writes/{write_id}/"

    created = ask(f"POST {items}", "Created", ITEM, headers=KEY)
    accepted = ask(f"POST {items}", "Accepted", ITEM, headers=LATER)
    ask(f"POST {items}", "Not valid", {"name": ""})
    ask(f"POST {items}", "The key belongs to another request", {"name": "other"}, headers=KEY)
    ask(f"POST {items}", "No token", ITEM, anonymous=True)
    where = created.headers["Location"]
    waits = {"Read-After": accepted.headers["Write-Id"]}
    ask(f"GET {items}", "A page of items", headers=waits)
    ask(f"GET {item}", "An item", path=where)
    ask(f"GET {item}", "There is none", path="/api/items/999/")
    condition = {"If-Match": created.headers["ETag"]}
    ask(f"PUT {item}", "Replaced", {"name": "renamed"}, path=where, headers=condition)
    ask(f"PUT {item}", "It has changed", ITEM, path=where, headers=condition)
    ask(f"PUT {item}", "Accepted", ITEM, path=where, headers=LATER)
    ask(f"PATCH {item}", "Changed", {"name": "again"}, path=where)
    ask(f"PATCH {item}", "Accepted", {"name": "later"}, path=where, headers=LATER)
    ask(f"DELETE {item}", "Deleted", path=where)
    ask(f"DELETE {item}", "There is none", path=where)
    ask(f"DELETE {item}", "Accepted", path=where, headers=LATER)

    bulk = {"items": [ITEM, {"name": ""}]}
    ask(f"POST {items}bulk/", "One of two", {"atomic": False, **bulk})
    ask(f"POST {items}bulk/", "None", {"atomic": False, "items": [{"name": ""}]})
    ask(f"POST {items}bulk/", "All or none", bulk)
    ask(f"POST {items}bulk/", "Accepted", {"items": [ITEM]}, headers=LATER)
    create = {"op": "create", "ref": "a", "data": {"name": "draft"}}
    update = {"op": "update", "id": {"ref": "a"}, "data": ITEM}
    ask("POST /api/transactions/", "Applied", {"operations": [create, update]})
    ask("POST /api/transactions/", "Accepted", {"operations": [create]}, headers=LATER)
    ask("POST /api/transactions/", "None applied", {"operations": [create, {"op": "delete", "id": 999}]})
    ask(f"GET {write}", "Committed", path=f"/api/writes/{created.headers['Write-Id']}/")
    ask(f"GET {write}", "No such write", path="/api/writes/1/")
    ask("GET /api/", "Where everything is", anonymous=True)
    ask("GET /health/live", "It lives", anonymous=True)
    ask("GET /health/ready", "It is ready", anonymous=True)
    ask("POST /session_a", "Committed")
    ask("POST /session_b", "Committed")
    return recorder.examples


def _main() -> None:
    with tempfile.TemporaryDirectory() as name:
        template, directory = Path(name, "template"), Path(name, "service")
        template.mkdir()
        prepare_data(template)
        with Service.running(template, directory, {"DJANGO_SETTINGS_MODULE": "project.settings"}) as service:
            FILE.write_text(json.dumps(record(service), indent=1) + "\n")


if __name__ == "__main__":
    _main()
