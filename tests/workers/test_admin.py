"""The receipts in the admin, as people see them."""

import re
import uuid
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client

from workers.models import Receipt

MOMENT = datetime(2026, 11, 23, 1, 8, 38, 583_011, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("someone"))
    return client


@pytest.fixture
def receipt() -> Receipt:
    return Receipt.objects.create(
        write_id=int(MOMENT.timestamp() * 1_000_000),
        token=uuid.uuid4(),
        function="items.create",
        status="committed",
        http_status=201,
        body="{}",
        committed_at=MOMENT,
    )


@pytest.mark.parametrize("page", ["", "{}/change/"], ids=["list", "one receipt"])
def test_all_times_have_one_form(client: Client, receipt: Receipt, page: str) -> None:
    path = "/admin/workers/receipt/" + page.format(receipt.pk)
    text = client.get(path).content.decode()

    assert re.findall(r">\s*(2026-[^<]*?|Nov[^<]*?)\s*<", text) == ["2026-11-23 01:08:38"] * 2


def test_the_list_has_the_style_that_makes_it_fit(client: Client, receipt: Receipt) -> None:
    text = client.get("/admin/workers/receipt/").content.decode()
    [style] = re.findall(r'href="/static/(workers/[^"]+)"', text)

    assert finders.find(style)
    assert "committed 201" in text


def test_outcome_and_accepted_sort_the_list(client: Client, receipt: Receipt) -> None:
    orders = [f"/admin/workers/receipt/?o={column}" for column in (3, -3, 5, -5)]

    assert ["items.create" in client.get(order).content.decode() for order in orders] == [True] * 4
