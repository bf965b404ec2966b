"""GET /api/: where everything is."""

from django.test import Client
from django.urls import resolve


def test_every_path_that_it_names_is_there() -> None:
    links = Client().get("/api/").json()["links"]

    assert links["items"] == "/api/items/"
    for path in links.values():
        resolve(path.replace("{write_id}", "7"))
