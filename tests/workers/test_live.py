"""The live page of the admin: who may see it, and what its script is told."""

import hashlib
import os
import re
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.db import DatabaseError, connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from tests.workers.submitting import accepted
from workers.admin.live import FIGURES, columns
from workers.exceptions import QueueUnavailable
from workers.measures import SLOT_SECONDS, Slot, Spread
from workers.operations import readiness
from workers.stream import heartbeat, keys, pauses, standbys
from workers.stream.pauses import Pause
from workers.writer.loop import Writer

PAGE = "/admin/workers/receipt/live/"
DATA = f"{PAGE}data/"
NOWHERE = "unix:///nowhere/redis.sock"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

SLOT: dict[str, Any] = {
    **dict.fromkeys(("starts", "batches", "writes", "committed", "rejected", "failed"), 0),
    **dict.fromkeys(("transactions", "held_back"), 0),
    **dict.fromkeys(("largest_batch", "waiting", "oldest_seconds", "log_bytes", "redis_bytes"), None),
    **dict.fromkeys(("wait", "apply", "commit"), None),
}


def slot(**figures: Any) -> Slot:
    return Slot(**({"begins_at": 100, "at_work_seconds": 5.0} | SLOT | figures))


def test_the_page_names_where_its_script_asks_and_can_be_found(admin: Client) -> None:
    page = admin.get(PAGE)
    [asked] = re.findall(r'data-url="([^"]+)"', page.text)

    assert page.status_code == 200
    assert admin.get(asked).status_code == 200
    assert PAGE in admin.get("/admin/workers/receipt/").text
    for path in re.findall(r'(?:src|href)="/static/([^"]+)"', page.text):
        assert finders.find(path), path


def test_the_start_page_leads_there_whoever_may_see_it(admin: Client) -> None:
    clerk, user = Client(), User.objects.create_user("clerk", is_staff=True)
    clerk.force_login(user)

    pages = [f'href="{PAGE}"', 'href="/admin/workers/receipt/waiting/"', 'href="/admin/two_sessions/"']

    assert all(page in admin.get("/admin/").text for page in pages)
    assert not any(page in clerk.get("/admin/").text for page in pages)


def test_what_is_so_now_is_told(admin: Client, writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("waits")
    heartbeat.Heartbeat(clean_redis).renew(committed=3)

    told = admin.get(DATA).json()

    assert (told["obstacles"], told["waiting"], told["pause"]) == ({}, 1, None)
    assert told["oldest"] >= 0
    assert (told["log_written"] is None) is (connection.vendor == "sqlite")
    assert told["writer"]["writes"] == 3
    assert told["totals"] == {"since": None, "starts": 0, "committed": 0, "rejected": 0, "failed": 0}
    assert set(told["slots"]) == set(FIGURES)
    assert set(told["slots"]["committed"]) == {None}  # nobody has measured


def test_who_stands_by_is_told_while_it_says_so(admin: Client, clean_redis: redis.Redis) -> None:
    me = f"{socket.gethostname()}:{os.getpid()}"
    clean_redis.zadd(keys.standbys(), {"silent:1": 1_000.0})

    standbys.note(clean_redis)

    assert admin.get(DATA).json()["standbys"] == [me]
    assert clean_redis.zrange(keys.standbys(), 0, -1) == [me.encode()]
    assert 0 < clean_redis.pttl(keys.standbys()) <= 4_000
    heartbeat.Heartbeat(clean_redis).renew(committed=0)  # it has just become the writer
    assert admin.get(DATA).json()["standbys"] == []


def test_what_stands_in_the_way_is_told_with_its_reason(admin: Client, clean_redis: redis.Redis) -> None:
    pauses.request(clean_redis, Pause(by="somebody", until=2e9), seconds=60)

    told = admin.get(DATA).json()

    assert told["obstacles"]["writer"].startswith("somebody asks for a pause")
    assert (told["writer"], told["pause"]) == (None, {"by": "somebody", "until": 2e9})


def test_only_what_is_new_is_asked_for(admin: Client) -> None:
    known = admin.get(DATA).json()["slots"]["begins"]

    later = admin.get(DATA, {"since": known[-3]}).json()["slots"]["begins"]

    assert len(known) == 180
    assert later[:2] == known[-2:]
    assert [two - one for one, two in pairwise(known)] == [SLOT_SECONDS] * 179
    for nonsense in ("x", "-5", "9" * 30, "٣"):
        assert len(admin.get(DATA, {"since": nonsense}).json()["slots"]["begins"]) == 180


def test_a_slot_is_told_as_rates_and_a_slot_that_nobody_measured_as_a_gap() -> None:
    spread = Spread(p50=0.0123456789, p99=0.5)
    busy = slot(
        batches=2, writes=10, committed=8, rejected=1, failed=1, transactions=3, largest_batch=7, wait=spread
    )
    idle, unknown = slot(), slot(at_work_seconds=0.0)

    told = columns([busy, idle, unknown])

    assert told["committed"] == [1.6, 0.0, None]
    assert (told["rejected"], told["failed"]) == ([0.2, 0.0, None], [0.2, 0.0, None])
    assert told["commits"] == [0.6, 0.0, None]
    assert (told["batch_mean"], told["batch_largest"]) == ([5.0, None, None], [7, None, None])
    assert (told["wait_p50"], told["wait_p99"]) == ([0.012346, None, None], [0.5, None, None])


def test_it_costs_little(admin: Client) -> None:
    admin.get(DATA)  # what is looked at once in a process is known

    with CaptureQueriesContext(connection) as queries:
        admin.get(DATA)

    # On PostgreSQL the lease, the store lock and the log are asked of the server.
    most = 4 if connection.vendor == "sqlite" else 8
    assert len(queries) <= most, [query["sql"] for query in queries]


def test_who_may_not_view_receipts_is_told_so_in_json() -> None:
    client, user = Client(), User.objects.create_user("clerk", is_staff=True)
    anonymous = client.get(DATA)
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "not_authenticated")
    client.force_login(user)

    assert (client.get(PAGE).status_code, client.get(DATA).json()["code"]) == (403, "permission_denied")
    user.user_permissions.add(Permission.objects.get(codename="view_receipt"))
    assert [client.get(path).status_code for path in (PAGE, DATA)] == [200, 200]


def test_while_redis_is_away_that_is_said_and_nobody_is_logged_out(admin: Client) -> None:
    caches = {"default": settings.CACHES["default"] | {"LOCATION": NOWHERE}}

    with override_settings(REDIS_URL=NOWHERE, CACHES=caches):
        away = admin.get(DATA)

    assert (away.status_code, away.json()["code"]) == (503, "queue_unavailable")
    assert "/nowhere" not in away.text  # nobody knows yet who asks
    assert not away.cookies
    assert admin.get(DATA).status_code == 200


@pytest.mark.parametrize(
    ("exc", "part"), [(DatabaseError("at /secret"), "store"), (QueueUnavailable("at /secret"), "redis")]
)
def test_what_the_store_or_redis_said_is_for_who_may_view_receipts(
    admin: Client, monkeypatch: pytest.MonkeyPatch, exc: Exception, part: str
) -> None:
    def fail(*_: object) -> None:
        raise exc

    with monkeypatch.context() as patch:
        patch.setattr("workers.admin.live._state", fail)
        whole = admin.get(DATA)
    monkeypatch.setattr("django.contrib.admin.AdminSite.has_permission", fail)
    withheld = admin.get(DATA)

    assert (whole.status_code, withheld.status_code) == (503, 503)
    assert whole.json()["code"] == withheld.json()["code"]
    assert "/secret" in whole.json()["detail"]
    assert withheld.json()["detail"] == readiness.for_anyone({part: ""})[part]


def test_nothing_of_it_is_kept_by_a_browser(admin: Client) -> None:
    assert "no-store" in admin.get(DATA)["Cache-Control"]


@pytest.mark.parametrize("file", ["uPlot.iife.min.js", "uPlot.min.css"])
def test_the_charts_library_is_the_one_that_is_named(file: str) -> None:
    found = Path(str(finders.find(f"workers/uplot/{file}")))

    named = re.findall(rf"`{re.escape(file)}` \| sha256 `(\w+)`", (found.parent / "README.md").read_text())

    assert named == [hashlib.sha256(found.read_bytes()).hexdigest()]
    assert "MIT" in (found.parent / "LICENSE").read_text()
