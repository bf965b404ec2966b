"""The pages of a long list that the benchmark fetches."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from benchmarks.figures.growth import CURSOR
from items.models import Item
from tests.people import superuser


@pytest.mark.django_db
def test_the_cursor_of_a_deep_page_is_one_that_the_service_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = timezone.now()
    Item.objects.bulk_create(Item(name=f"{n}", created_at=now, updated_at=now) for n in range(120))
    keys = list(Item.objects.values_list("pk", flat=True))
    monkeypatch.setattr("sys.argv", ["-c", str(keys[99])])
    client = APIClient()
    client.force_authenticate(superuser())

    exec(CURSOR, {})  # as the benchmark runs it, in a process of the service
    page = client.get("/api/items/", {"cursor": capsys.readouterr().out.strip()})

    assert [item["id"] for item in page.json()["results"]] == keys[100:]
