"""Items that are checked many at once get the verdict of the serializer, to the letter."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from items.models import NAME_MAX_CHARACTERS
from items.serializers import ItemSerializer
from workers.rest import at, check_many, unknown_fields

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
awkward = st.sampled_from("a \t\n\x00\x1c\x1f\x7f\x85\xa0\xad\u2028\u2029\u200b\u3000\ufeff\ud800\udfff")
names = (
    st.text()
    | st.text(awkward)
    | st.text(awkward | st.characters(), min_size=NAME_MAX_CHARACTERS - 2, max_size=NAME_MAX_CHARACTERS + 2)
)
fields = st.sampled_from([*ItemSerializer().fields, "unknown"])
items = json_values | st.dictionaries(fields, names | json_values) | st.fixed_dictionaries({"name": names})


def by_serializer(item: Any) -> tuple[Any, Any]:
    serializer = ItemSerializer(data=item)
    unknown = unknown_fields(serializer, item)
    if serializer.is_valid() and not unknown:
        return dict(serializer.validated_data), None
    told = {name: [str(message) for message in messages] for name, messages in serializer.errors.items()}
    return None, unknown | told


@given(items)
@example(None)
@example({})
@example({"name": None})
@example({"name": "x" * 200 + " "})
@example({"name": "a\u2028"})
def test_an_item_gets_the_serializers_verdict(item: Any) -> None:
    accepted, refused = check_many(ItemSerializer, [item])

    data, errors = by_serializer(item)
    assert (accepted, refused) == (([data], {}) if errors is None else ([], {0: errors}))


@given(st.lists(items, max_size=6))
def test_neighbours_do_not_change_a_verdict(many: list[Any]) -> None:
    accepted, refused = check_many(ItemSerializer, many)

    verdicts = [by_serializer(item) for item in many]
    assert accepted == [data for data, errors in verdicts if errors is None]
    assert refused == {position: errors for position, (_, errors) in enumerate(verdicts) if errors}


def test_failures_are_named_by_their_place_in_the_body() -> None:
    assert at("items.3", {"name": ["a"], "non_field_errors": ["b"]}) == {
        "items.3.name": ["a"],
        "items.3": ["b"],
    }
