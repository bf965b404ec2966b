import pytest
from django.urls import reverse, set_script_prefix

from workers.rest.responses import detail_path


@pytest.mark.parametrize("key", [1, 987_654_321, 10**17])
@pytest.mark.parametrize("prefix", ["/", "/below/"])
def test_a_detail_path_is_what_reverse_says(key: int, prefix: str) -> None:
    set_script_prefix(prefix)
    try:
        assert detail_path("item-detail", str(key)) == reverse("item-detail", args=[key])
    finally:
        set_script_prefix("/")


@pytest.mark.parametrize(("route", "key"), [("unheard-of", "1"), ("item-detail", "no number")])
def test_an_object_without_a_route_has_no_path(route: str, key: str) -> None:
    assert detail_path(route, key) is None
