"""A new field costs its model, its migration and its serializer: all else is derived from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models, transaction
from django.test.utils import isolate_apps
from rest_framework import serializers

from items.models import Item
from items.serializers import ItemSerializer
from workers import BulkInsert
from workers.rest import check_many

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE: dict[str, models.Field] = {"name": models.CharField(max_length=20)}
ADDED: dict[str, models.Field] = {
    "colour": models.CharField(max_length=20, default="none", blank=True),
    "is_open": models.BooleanField(default=True),
    "size": models.IntegerField(default=3),
    "seen": models.DateTimeField(null=True),
}


def model_with(fields: dict[str, models.Field]) -> Any:
    """Return a model of the tests' app with these fields."""
    options = type("Meta", (), {"app_label": "jottings"})
    clones = {name: field.clone() for name, field in fields.items()}
    return type("Thing", (models.Model,), {"__module__": __name__, "Meta": options, **clones})


def serializer_of(model: Any) -> Any:
    options = type("Meta", (), {"model": model, "fields": "__all__"})
    return type("ThingSerializer", (serializers.ModelSerializer,), {"Meta": options})


@pytest.fixture(params=[(), ("colour",), ("is_open",), ("size",), ("seen",), tuple(ADDED)], ids=str)
def thing(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A model with a table, before and after fields were added to it."""
    with isolate_apps("tests.jottings"):
        model = model_with(BEFORE | {name: ADDED[name] for name in request.param})
        with connection.schema_editor() as editor:
            editor.create_model(model)
        try:
            yield model
        finally:
            with connection.schema_editor() as editor:
                editor.delete_model(model)


@pytest.mark.parametrize(
    "given", [{}, {"colour": "red", "is_open": False, "size": 5, "seen": "2026-01-02T03:04:05Z"}]
)
def test_a_field_that_is_added_is_checked_stored_and_shown(thing: Any, given: dict[str, Any]) -> None:
    added = {field.name for field in thing._meta.concrete_fields} - {"id", "name"}
    sent = {"name": "a"} | {name: value for name, value in given.items() if name in added}

    data, refused = check_many(serializer_of(thing), [sent])
    with transaction.atomic():
        [shown] = BulkInsert(thing)(data)

    assert refused == {}
    assert shown == thing.objects.values().get()
    assert shown.keys() == {"id", "name"} | added
    for name in added:
        is_sent = name in sent
        assert shown[name] == (data[0][name] if is_sent else thing._meta.get_field(name).get_default())


def test_a_field_that_is_added_is_known_and_its_values_are_judged(thing: Any) -> None:
    added = {field.name for field in thing._meta.concrete_fields} - {"id", "name"}

    _, refused = check_many(serializer_of(thing), [{"name": "a", "colour": [], "size": "x"}])

    # One that the model does not have is refused as well, as a name that is not known.
    assert refused[0].keys() == {"colour", "size"}
    unknown = {name for name, messages in refused[0].items() if "not known" in messages[0]}
    assert unknown == {"colour", "size"} - added


def test_what_an_item_shows_and_takes_is_what_its_model_and_serializer_have(tmp_path: Path) -> None:
    fields = ItemSerializer().fields
    schema = tmp_path / "schema.json"
    call_command("spectacular", format="openapi-json", file=str(schema))
    components = json.loads(schema.read_text())["components"]["schemas"]

    assert [field.name for field in Item._meta.concrete_fields] == list(Item(name="a").representation())
    assert set(fields) == set(Item(name="a").representation()) == set(components["Item"]["properties"])
    taken = {name for name, field in fields.items() if not field.read_only}
    for name in ("ItemRequest", "PatchedItemRequest"):
        # What is only read may be sent back and is ignored: it has no type there.
        properties = components[name]["properties"]
        assert set(properties) == set(fields)
        assert {name for name, one in properties.items() if "type" in one} == taken
