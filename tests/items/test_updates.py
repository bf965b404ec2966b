"""What an update may send, and what it leaves as it was."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from items import write_functions
from items.bodies import bulk_arguments
from items.models import Item
from tests.people import superuser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
    client = APIClient()
    client.force_authenticate(superuser())
    return getattr(client, method)(path, body, format="json", headers=headers)


@pytest.fixture
def path() -> str:
    [item] = write_functions._insert([{"name": "a"}])
    return f"/api/items/{item['id']}/"


@pytest.mark.parametrize(
    ("method", "body"),
    [("patch", {}), ("patch", {"name": "a"}), ("patch", {"name": " a "}), ("put", {"name": "a"})],
)
def test_what_changes_nothing_makes_no_new_version(path: str, method: str, body: dict[str, str]) -> None:
    before = send("get", path)

    answer = send(method, path, body)

    assert (answer.status_code, answer.json(), answer["ETag"]) == (200, before.json(), before["ETag"])
    assert send("get", path).json() == before.json()


def test_what_was_read_may_be_sent_back_with_a_change(path: str) -> None:
    read = send("get", path).json()

    answer = send("put", path, read | {"name": "b"})

    assert (answer.status_code, answer.json()["name"], answer.json()["version"]) == (200, "b", 2)


@pytest.mark.parametrize(("method", "body"), [("patch", {}), ("put", {"name": "b"})])
def test_a_name_that_is_no_field_is_refused_by_name(path: str, method: str, body: dict[str, Any]) -> None:
    answer = send(method, path, body | {"nmae": "b"})

    assert (answer.status_code, answer.json()["fields"]) == (
        400,
        {"nmae": ["This field is not known. Known are: name."]},
    )
    assert Item.objects.get().version == 1


def test_creates_refuse_unknown_names_alike() -> None:
    one = send("post", "/api/items/", {"name": "a", "nmae": "b"})
    many = send("post", "/api/items/bulk/", {"items": [{"name": "a"}, {"name": "a", "nmae": "b"}]})
    each = bulk_arguments({"atomic": False, "items": [{"name": "a"}, {"name": "a", "nmae": "b"}]})

    assert (one.status_code, list(one.json()["fields"])) == (400, ["nmae"])
    assert (many.status_code, list(many.json()["fields"])) == (400, ["items.1.nmae"])
    assert (each["data"], [list(errors) for _, errors in each["refused"]]) == ([{"name": "a"}], [["nmae"]])


def test_in_a_transaction_too_nothing_changes_without_a_change(path: str) -> None:
    item_id = int(path.split("/")[3])

    def update(data: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"op": "update", "id": item_id, "data": data} | more

    operations = [update({}), update({"name": "a"}, version=1), update({"name": "b"}, version=1)]
    answer = send("post", "/api/transactions/", {"operations": operations})
    refused = send("post", "/api/transactions/", {"operations": [update({"nmae": "b"})]})

    assert [result["item"]["version"] for result in answer.json()["results"]] == [1, 1, 2]
    assert (refused.status_code, list(refused.json()["fields"])) == (400, ["operations.0.data.nmae"])
