"""Many objects are checked as the serializer checks each, whatever its fields are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from project.api.exception_handler import exception_handler
from workers.rejections import rejection_of
from workers.rest import check_many, check_one, unknown_fields

values = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=6) | st.just([1])


class Plain(serializers.Serializer):
    text = serializers.CharField(max_length=5)
    note = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, min_length=2)
    is_open = serializers.BooleanField(required=False)
    seen = serializers.CharField(read_only=True)


class WithDefault(serializers.Serializer):
    text = serializers.CharField(default="none", allow_null=True)


class WithOwnRule(serializers.Serializer):
    text = serializers.CharField(max_length=5)

    def validate_text(self, value: str) -> str:
        if value.startswith("a"):
            raise serializers.ValidationError("Not with a.")
        return value.upper()


class WithOtherFields(serializers.Serializer):
    text = serializers.CharField()
    count = serializers.IntegerField(max_value=2)


class Inner(serializers.Serializer):
    a = serializers.IntegerField()


class Nested(serializers.Serializer):
    tags = serializers.ListField(child=serializers.IntegerField(), required=False)
    scores = serializers.DictField(child=serializers.IntegerField(), required=False)
    inner = Inner(required=False)
    inners = Inner(many=True, required=False)


INVALID = "A valid integer is required."
NESTED = {
    "tags": ([1, "x"], [f"1: {INVALID}"]),
    "scores": ({"b": "x"}, [f"b: {INVALID}"]),
    "inner": ({"a": "x"}, [f"a: {INVALID}"]),
    "inners": ([{"a": 1}, {"a": "x"}], [f"1: a: {INVALID}"]),
}


@pytest.mark.parametrize("name", NESTED)
def test_what_is_wrong_within_a_field_is_told_with_its_place_wherever_it_is_found(name: str) -> None:
    value, messages = NESTED[name]
    serializer = Nested(data={name: value})
    assert not serializer.is_valid()
    error = serializers.ValidationError(serializer.errors)
    response = exception_handler(error, {})
    rejection = rejection_of(error)

    assert check_one(Nested(), {name: value}) == ({}, {name: messages})
    assert check_many(Nested, [{name: value}, {}]) == ([{}], {0: {name: messages}})
    assert response.data["fields"] == {name: messages}
    assert rejection is not None
    assert rejection.fields == {name: messages}


def by_serializer(serializer_class: Any, one: Any) -> tuple[Any, Any]:
    serializer = serializer_class(data=one)
    unknown = unknown_fields(serializer, one)
    if serializer.is_valid() and not unknown:
        return [dict(serializer.validated_data)], {}
    told = {name: [str(message) for message in messages] for name, messages in serializer.errors.items()}
    return [], {0: unknown | told}


@pytest.mark.parametrize("serializer_class", [Plain, WithDefault, WithOwnRule, WithOtherFields])
@given(st.dictionaries(st.sampled_from(["text", "note", "is_open", "seen", "count", "other"]), values))
def test_each_gets_the_verdict_of_its_serializer(serializer_class: Any, one: Any) -> None:
    assert check_many(serializer_class, [one]) == by_serializer(serializer_class, one)
