from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from workers.rest import SharedFieldsMixin


class PlainSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=5)
    amount = serializers.IntegerField(min_value=1, required=False)
    note = serializers.CharField(default="none", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("name") == attrs.get("note"):
            raise serializers.ValidationError("A note must say something else.", code="same")
        return attrs


class SharedSerializer(SharedFieldsMixin, PlainSerializer):
    pass


Verdict = tuple[bool, Any, Any]


def verdict(serializer: serializers.Serializer) -> Verdict:
    return serializer.is_valid(), serializer.validated_data, serializer.errors


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
bodies = json | st.dictionaries(st.sampled_from(["name", "amount", "note", "other"]), json)


@given(data=bodies, partial=st.booleans())
def test_shared_fields_give_the_same_verdict_as_fields_of_ones_own(data: Any, partial: bool) -> None:
    assert verdict(SharedSerializer(data=data, partial=partial)) == verdict(
        PlainSerializer(data=data, partial=partial)
    )


def test_what_one_request_sent_is_not_seen_by_the_next() -> None:
    first, second = SharedSerializer(data={"name": ""}), SharedSerializer(data={"name": "ok"})

    assert not first.is_valid()
    assert second.is_valid()
    assert first.errors == {"name": [ErrorDetail("This field may not be blank.", code="blank")]}
    assert second.validated_data == {"name": "ok", "note": "none"}


def test_fields_are_made_once_for_all_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    SharedSerializer(data={"name": "ok"}).is_valid()

    monkeypatch.setattr(SharedSerializer, "get_fields", lambda self: pytest.fail("made again"))
    assert SharedSerializer(data={"name": "ok"}).is_valid()
