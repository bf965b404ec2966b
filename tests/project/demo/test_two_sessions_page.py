"""The button that runs the two sessions, and the pictures of them."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client

from items.models import Item
from project.demo.picture import draw
from project.demo.timelines import Doing, Span, Timeline
from project.demo.two_sessions import Response, Timing
from project.demo.two_sessions_page import RUNNING, TwoSessionsView

PAGE = "/admin/two_sessions/"
QUICK = Timing(start_gap=0.02, a_works=0.3, b_works=0.6)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoSessionsView, "timing", QUICK)


def test_the_button_shows_each_way_beside_the_others_and_leaves_the_store_alone(admin: Client) -> None:
    before = admin.get(PAGE).text
    after = admin.post(PAGE).text

    assert ("Run the two sessions" in before, before.count('role="img"')) == (True, 0)
    assert after.count('role="img"') == 3
    results = re.findall(r'<tspan class="(good|bad)" dx="8">. ([^<]+), after', after)
    locked, committed = ("bad", "database is locked"), ("good", "B committed")
    assert results == [locked, committed, locked, committed, ("good", "A committed"), committed]
    assert not Item.objects.exists()
    assert cache.get(RUNNING) is None


def test_one_runs_at_a_time(admin: Client) -> None:
    cache.add(RUNNING, 1)

    refused = admin.post(PAGE)

    assert refused.status_code == 409
    assert "Somebody else has just started them" in refused.text
    assert cache.get(RUNNING) == 1


def test_it_is_for_who_may_look_at_the_write_path() -> None:
    client, user = Client(), User.objects.create_user("bob", is_staff=True)
    assert client.get(PAGE)["Location"].startswith("/admin/login/")
    client.force_login(user)

    assert [client.get(PAGE).status_code, client.post(PAGE).status_code] == [403, 403]
    user.user_permissions.add(Permission.objects.get(codename="view_receipt"))
    assert client.get(PAGE).status_code == 200


def test_a_picture_has_a_row_for_each_and_says_all_of_it_in_words() -> None:
    moments = iter([10.0, 10.5, 11.0, 11.5, 12.0])
    timeline = Timeline(clock=lambda: next(moments))
    for who, doing in [("B", Doing.WAITS), ("A", Doing.WORKS), ("B", Doing.HOLDS), ("A", None), ("B", None)]:
        timeline.note(who, doing)

    spans = timeline.spans()
    response = Response(session="A", text="A committed", seconds=1.0, ok=True)
    picture = draw("key", "title", "about", spans, [response], seconds=4.0)

    assert spans[0] == Span(who="B", doing=Doing.WAITS, begins=0.0, ends=1.0)
    [a, b] = picture.rows
    assert (a.name, [(bar.doing, bar.x, bar.width) for bar in a.bars]) == (
        "Session A",
        [("works", "12.50%", "25.00%")],
    )
    assert [(bar.doing, bar.x, bar.width) for bar in b.bars] == [
        ("waits", "0.00%", "25.00%"),
        ("holds", "25.00%", "25.00%"),
    ]
    assert picture.told.startswith("Session A: works from 0.50 to 1.50 s, A committed, after 1.00 s.")
