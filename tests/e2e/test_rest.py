"""The REST surface over HTTP, with the real writer behind it."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from tests.e2e.service import Answer, Service
from tests.waiting import until


def together(calls: list[Callable[[], Answer]]) -> list[Answer]:
    """Make all calls at the same moment."""
    barrier = threading.Barrier(len(calls))

    def call(one: Callable[[], Answer]) -> Answer:
        barrier.wait(10)
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def settled(service: Service, write_id: str) -> dict[str, Any]:
    def ask() -> dict[str, Any] | None:
        status: dict[str, Any] = service.get(f"/api/writes/{write_id}/").json()
        return status if status["status"] != "queued" else None

    return until(ask) or {}


def test_a_created_item_is_responded_to_with_201_and_stored(service: Service) -> None:
    response = service.create("first item")

    item = response.json()
    assert response.status == 201
    assert response.headers["Location"] == f"/api/items/{item['id']}/"
    assert response.headers["ETag"] == f'"{item["id"]}-1"'
    assert (item["name"], item["version"]) == ("first item", 1)
    assert datetime.fromisoformat(item["created_at"]).tzinfo is not None
    assert service.rows("SELECT name FROM items_item WHERE id = ?", item["id"]) == [("first item",)]
    assert service.get(response.headers["Location"]).json() == item


def test_the_write_has_a_status_of_its_own(service: Service) -> None:
    response = service.create("x")

    status = service.get(f"/api/writes/{response.headers['Write-Id']}/").json()

    assert status["status"] == "committed"
    assert status["http_status"] == 201
    assert status["result"] == response.json()
    assert status["error"] is None
    assert datetime.fromisoformat(status["accepted_at"]) <= datetime.fromisoformat(status["committed_at"])


def test_put_and_patch_change_the_item_and_count_its_version(service: Service) -> None:
    path = service.create("a").headers["Location"]

    put = service.request("PUT", path, {"name": "b"})
    patched = service.request("PATCH", path, {"name": "c"})

    assert (put.status, put.json()["name"], put.json()["version"]) == (200, "b", 2)
    assert (patched.status, patched.json()["name"], patched.json()["version"]) == (200, "c", 3)
    assert service.get(path).headers["ETag"] == patched.headers["ETag"]


def test_delete_twice_gets_204_then_404(service: Service) -> None:
    path = service.create("a").headers["Location"]

    first, second = service.request("DELETE", path), service.request("DELETE", path)

    assert (first.status, first.body) == (204, b"")
    assert (second.status, second.json()["code"]) == (404, "not_found")
    assert second.headers["Write-Id"]
    assert service.get(path).status == 404


def test_of_two_changes_under_the_same_if_match_one_wins(service: Service) -> None:
    created = service.create("a")
    path, tag = created.headers["Location"], created.headers["ETag"]

    def change(name: str) -> Answer:
        return service.request("PATCH", path, {"name": name}, headers={"If-Match": tag})

    responses = together([partial(change, name) for name in ("b", "c")])

    assert sorted(response.status for response in responses) == [200, 412]
    loser = next(response for response in responses if response.status == 412)
    assert loser.json()["code"] == "precondition_failed"


def test_an_item_that_has_not_changed_is_responded_to_with_304(service: Service) -> None:
    created = service.create("a")

    response = service.get(created.headers["Location"], headers={"If-None-Match": created.headers["ETag"]})

    assert (response.status, response.body) == (304, b"")


def test_the_same_key_sent_twenty_times_at_once_has_one_effect_and_equal_responses(service: Service) -> None:
    headers = {"Idempotency-Key": "twenty-times"}

    responses = together([lambda: service.create("twenty", headers=headers)] * 20)

    assert {response.status for response in responses} == {201}
    assert len({response.body for response in responses}) == 1
    assert len({response.headers["Write-Id"] for response in responses}) == 1
    assert service.names().count("twenty") == 1
    later = service.create("twenty", headers=headers)
    assert (later.status, later.body) == (201, responses[0].body)


def test_the_same_key_for_another_request_is_refused(service: Service) -> None:
    headers = {"Idempotency-Key": "one-key"}
    service.create("a", headers=headers)

    response = service.create("b", headers=headers)

    assert (response.status, response.json()["code"]) == (422, "idempotency_key_reused")


def test_the_same_key_of_another_user_is_unrelated(service: Service) -> None:
    headers = {"Idempotency-Key": "shared"}
    one = service.create("a", headers=headers)

    other = service.create("a", headers=headers | {"Authorization": f"Bearer {other_token(service)}"})

    assert (one.status, other.status) == (201, 201)
    assert one.json()["id"] != other.json()["id"]


def test_an_error_is_replayed_for_its_key_too(service: Service) -> None:
    path = service.create("a").headers["Location"]
    service.request("DELETE", path)
    headers = {"Idempotency-Key": "delete-again"}

    first = service.request("DELETE", path, headers=headers)
    again = service.request("DELETE", path, headers=headers)

    assert (first.status, again.status) == (404, 404)
    assert again.headers["Write-Id"] == first.headers["Write-Id"]


def test_respond_async_gets_202_and_the_write_is_committed_later(service: Service) -> None:
    response = service.create("later", headers={"Prefer": "respond-async"})

    assert (response.status, response.headers["Preference-Applied"]) == (202, "respond-async")
    assert (
        response.headers["Location"]
        == response.json()["url"]
        == f"/api/writes/{response.headers['Write-Id']}/"
    )
    status = settled(service, response.headers["Write-Id"])
    assert (status["status"], status["result"]["name"]) == ("committed", "later")


def test_a_read_after_a_202_sees_the_write(service: Service) -> None:
    write_id = service.create("read me", headers={"Prefer": "respond-async"}).headers["Write-Id"]

    response = service.get("/api/items/?name=read+me", headers={"Read-After": write_id})

    assert [item["name"] for item in response.json()["results"]] == ["read me"]


def test_return_minimal_leaves_the_body_out(service: Service) -> None:
    created = service.create("a", headers={"Prefer": "return=minimal"})
    changed = service.request(
        "PATCH", created.headers["Location"], {"name": "b"}, headers={"Prefer": "return=minimal"}
    )

    assert (created.status, created.body) == (201, b"")
    assert (changed.status, changed.body) == (204, b"")
    assert created.headers["Preference-Applied"] == "return=minimal"
    assert changed.headers["ETag"].endswith('-2"')


def test_the_list_is_paged_filtered_searched_and_ordered(service: Service) -> None:
    for name in ("list b", "list a", "list c"):
        service.create(name)

    first = service.get("/api/items/?name__startswith=list&ordering=name&page_size=2").json()
    path = first["next"].removeprefix(service.url)
    second = service.get(path).json()

    assert [item["name"] for item in first["results"] + second["results"]] == ["list a", "list b", "list c"]
    assert second["next"] is None
    found = service.get("/api/items/?search=list+C").json()["results"]
    assert [item["name"] for item in found] == ["list c"]


def test_another_app_joins_with_its_own_write_functions(service: Service) -> None:
    response = service.post("/api/jottings/", {"text": "from another app"})

    assert (response.status, response.json()["text"]) == (201, "from another app")
    assert response.headers["Location"] == f"/api/jottings/{response.json()['id']}/"
    assert service.get(response.headers["Location"]).json()["text"] == "from another app"


def test_an_orm_write_in_a_web_process_is_refused_by_name_and_changes_nothing(service: Service) -> None:
    response = service.post("/api/stray/", {})

    assert (response.status, response.json()["code"]) == (500, "write_outside_writer")
    assert "WriteOutsideWriter" in service.log("web")
    assert service.rows("SELECT * FROM jottings_topic") == []


def test_the_schema_and_its_page_need_no_network(service: Service) -> None:
    schema = service.get("/api/schema/?format=json", anonymous=True)
    page = service.get("/api/docs/", anonymous=True)

    assert json.loads(schema.body)["openapi"].startswith("3.1")
    assert page.status == 200
    assert b"https://" not in page.body.replace(b"https://www.w3.org", b"")
    problem = json.loads(schema.body)["components"]["schemas"]["Problem"]
    assert "stream_full" in problem["properties"]["code"]["enum"]
    script = page.body.split(b'src="')[1].split(b'"')[0].decode()
    assert service.get(script, anonymous=True).status == 200


def test_health_needs_no_token_and_everything_else_does(service: Service) -> None:
    assert service.get("/health/live", anonymous=True).status == 200
    assert service.get("/health/ready", anonymous=True).status == 200
    posts = [("POST", path) for path in ("/api/items/", "/api/items/bulk/", "/api/transactions/")]
    for method, path in [*posts, ("GET", "/api/items/"), ("GET", "/api/writes/1/")]:
        response = service.request(method, path, {"name": "x"} if method == "POST" else None, anonymous=True)
        assert (response.status, response.json()["code"]) == (401, "not_authenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_can_expire_and_be_revoked(service: Service) -> None:
    token = other_token(service)
    headers = {"Authorization": f"Bearer {token}"}
    assert service.get("/api/items/", headers=headers).status == 200

    run(service, f"AuthToken.objects.filter(token_key={token[:15]!r}).update(expiry='2020-01-01T00:00Z')")
    until(lambda: service.get("/api/items/", headers=headers).status == 401)  # remembered for a second

    headers = {"Authorization": f"Bearer {other_token(service)}"}
    assert service.get("/api/items/", headers=headers).status == 200
    service.manage("revoke_token", "other", "--all")
    revoked = service.get("/api/items/", headers=headers)

    assert revoked.status == 401
    assert service.rows("SELECT count(*) FROM knox_authtoken WHERE token_key = ?", token) == [(0,)]


def other_token(service: Service) -> str:
    return run(
        service,
        "user, _ = User.objects.get_or_create(username='other', is_superuser=True); "
        "print(AuthToken.objects.create(user)[1])",
    )


def run(service: Service, code: str) -> str:
    prelude = "from django.contrib.auth.models import User; from knox.models import AuthToken; "
    return service.manage("shell", "--no-imports", "-c", prelude + code).stdout.strip()
