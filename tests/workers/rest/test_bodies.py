"""What bodies may hold: it is stored exactly, or refused with a clear 4xx; never a 5xx."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import redis
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.renderers import JSONRenderer as JSONRendererOfDRF
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory

from tests.answering import Answered
from tests.jottings.models import Measurement
from tests.jottings.views import MeasurementSerializer, MeasurementViewSet
from workers.rest import BoundedJSONParser

PATH = "/api/measurements/"
IDENTIFIED = {"HTTP_IDEMPOTENCY_KEY": "a-key"}


def post(body: bytes, **headers: Any) -> Callable[[], Any]:
    return lambda: APIClient().post(PATH, body, content_type="application/json", **headers)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


VALUES = {
    "label": "a",
    "place": "here",
    "took": "1 02:03:04.000005",
    "at": "2026-01-02T03:04:05.000006+05:30",
    "day": "2026-01-02",
    "hour": "03:04:05",
    "amount": "12345.0123456789",
    "serial": "00000000-0000-0000-0000-000000000007",
    "raw": "AP8=",
    "payload": {"a": [1.5, 18446744073709551615, None, {"$types": []}]},
    "address": "::1",
}


def test_values_of_every_field_are_stored_as_they_were_sent_and_shown_as_they_are_read(
    answered: Answered,
) -> None:
    answer = answered(lambda: APIClient().post(PATH, VALUES, format="json"))

    assert answer.status_code == 201, answer.content
    stored = Measurement.objects.get()
    assert stored.took == timedelta(days=1, hours=2, minutes=3, seconds=4, microseconds=5)
    assert stored.at == datetime(2026, 1, 1, 21, 34, 5, 6, tzinfo=UTC)
    assert (stored.day, stored.hour) == (date(2026, 1, 2), time(3, 4, 5))
    assert stored.amount == Decimal("12345.0123456789")
    assert stored.serial == UUID(int=7)
    assert stored.raw == b"\x00\xff"
    assert stored.payload == VALUES["payload"]
    shown = APIClient().get(f"{PATH}{stored.pk}/").json()
    answer_body = answer.json()
    assert shown == answer_body | {"at": shown["at"]}
    assert datetime.fromisoformat(shown["at"]) == datetime.fromisoformat(answer_body["at"])


@pytest.mark.parametrize("levels", [101, 254, 255, 300, 1_000, 1_024, 1_025, 5_000, 100_000])
@pytest.mark.parametrize("headers", [{}, IDENTIFIED], ids=["", "with a key"])
@pytest.mark.parametrize("field", [b"payload", b"label", b"took", b"low", b"topic", b"unknown"])
def test_a_body_that_is_nested_too_deep_is_refused(
    field: bytes, headers: dict[str, str], levels: int, clean_redis: redis.Redis, db: None
) -> None:
    deep = b'{"label": "a", "' + field + b'": ' + nested(levels - 1)
    answer = post(deep + b', "other": 123456789012345678901}', **headers)()

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert answer.json()["detail"] == "The body is nested deeper than 100 levels."


@pytest.mark.parametrize("headers", [{}, IDENTIFIED], ids=["", "with a key"])
def test_a_body_at_the_limit_is_stored_and_read_again(answered: Answered, headers: dict[str, str]) -> None:
    body = b'{"label": "a", "payload": ' + nested(99) + b"}"

    answer = answered(post(body, **headers))

    assert answer.status_code == 201, answer.content
    assert APIClient().get(f"{PATH}{answer.json()['id']}/").json() == answer.json()


def test_brackets_in_texts_are_not_levels(answered: Answered) -> None:
    answer = answered(
        post(b'{"label": "a", "payload": ["' + b"[" * 5_000 + b'", [' + b"[]," * 200 + b"[]]]}")
    )

    assert answer.status_code == 201


@pytest.mark.parametrize("headers", [{}, IDENTIFIED], ids=["", "with a key"])
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"label": "a", "payload": 18446744073709551616}', ["payload"]),
        (b'{"label": "a", "payload": {"a": [-9223372036854775809]}}', ["payload.a.0"]),
        (b'{"label": "a", "payload": 1' + b"0" * 300 + b"}", ["payload"]),
        (b'{"label": "a", "low": 9223372036854775808}', ["low"]),
        (b'{"label": "a", "low": 99999999999999999999999}', ["low"]),
        (b'{"label": "a", "amount": 1.10000000000000000001}', ["amount"]),
        (b'{"label": "a", "topic": 99999999999999999999}', ["topic"]),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_number_that_cannot_be_kept_exactly_is_refused_by_its_field(
    body: bytes, fields: list[str], headers: dict[str, str], clean_redis: redis.Redis, db: None
) -> None:
    answer = post(body, **headers)()

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.content
    assert list(answer.json()["fields"]) == fields


@pytest.mark.parametrize("headers", [{}, IDENTIFIED], ids=["", "with a key"])
def test_a_number_with_more_digits_than_a_float_holds_is_stored_exactly(
    answered: Answered, headers: dict[str, str]
) -> None:
    answer = answered(post(b'{"label": 12345678901234567.89, "amount": 0.12345678900000000}', **headers))

    assert answer.status_code == 201, answer.content
    stored = Measurement.objects.get()
    assert stored.label == "12345678901234567.89"


def test_a_key_with_a_number_that_differs_beyond_a_float_is_another_request(answered: Answered) -> None:
    first = answered(post(b'{"label": "a", "amount": 1.0000000000000001}', **IDENTIFIED))
    other = post(b'{"label": "a", "amount": 1.0000000000000002}', **IDENTIFIED)()

    assert (first.status_code, other.status_code) == (400, 400)  # more decimals than the field has

    first = answered(post(b'{"label": 1.00000000000000001}', **IDENTIFIED))
    other = post(b'{"label": 1.00000000000000002}', **IDENTIFIED)()
    assert (first.status_code, other.status_code) == (201, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"1" + b"0" * 400,
        b"0" * 5_000 + b"1",
        b'{"label": 1e999}',
        b'{"label": NaN}',
        b'{"label": -Infinity}',
        b'{"label": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"label": "\xff"}',
        b'\xef\xbb\xbf{"label": "a"}',
        '{"label": "a"}'.encode("utf-16"),
        '{"label": "a"}'.encode("utf-32"),
        b'{"label": "a"',
        b'{"label": "a"}{}',
        b"{'label': 'a'}",
        b'{"label": 0123}',
        b'{"label": "a\nb"}',
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_body_that_is_not_json_is_refused(body: bytes, db: None) -> None:
    answer = post(body)()

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert len(answer.content) < 500


@pytest.mark.parametrize(
    "body",
    [
        # The jsonb of PostgreSQL has no place for these: 400 there, and numbers in a form of its own.
        pytest.param(b'{"label": "a", "payload": "a\\u0000b"}', marks=pytest.mark.sqlite),
        pytest.param(b'{"label": "a", "payload": {"\\u0000": 1}}', marks=pytest.mark.sqlite),
        b'{"label": "a", "payload": {"' + b"k" * 100_000 + b'": 1}}',
        b'{"label": "a", "payload": "\\ud83d\\ude00\\u2028"}',
        pytest.param(b'{"label": "a", "payload": 1e308}', marks=pytest.mark.sqlite),
        pytest.param(b'{"label": "a", "payload": -0.0}', marks=pytest.mark.sqlite),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_odd_values_that_json_allows_are_stored_as_they_are(answered: Answered, body: bytes) -> None:
    answer = answered(post(body, **IDENTIFIED))

    assert answer.status_code == 201, answer.content
    assert repr(Measurement.objects.get().payload) == repr(
        BoundedJSONParser().parse(_Stream(body))["payload"]
    )


class _Stream:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, size: int) -> bytes:
        return self.body


class FileSerializer(serializers.Serializer):
    photo = serializers.FileField()


class FileViewSet(MeasurementViewSet):
    serializer_class = FileSerializer  # type: ignore[assignment]
    parser_classes = [MultiPartParser]


class UnboundedViewSet(MeasurementViewSet):
    parser_classes = [JSONParser]


class TypoViewSet(MeasurementViewSet):
    create_function = "jottings.mesure"


class ObjectSerializer(MeasurementSerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {"place": object()}


class ObjectViewSet(MeasurementViewSet):
    serializer_class = ObjectSerializer


class FloatSerializer(serializers.Serializer):
    rate = serializers.CharField()

    def validate_rate(self, value: str) -> float:
        return float(value)


class FloatViewSet(MeasurementViewSet):
    serializer_class = FloatSerializer  # type: ignore[assignment]


def ask(viewset: type[MeasurementViewSet], data: Any, **options: Any) -> Response:
    request = APIRequestFactory().post(PATH, data, **options)
    answer: Response = viewset.as_view({"post": "create"})(request)
    answer.render()
    return answer


def told(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.data["code"]


def test_a_file_is_refused_in_clear_words(db: None, caplog: pytest.LogCaptureFixture) -> None:
    photo = SimpleUploadedFile("a.png", b"a")

    answer = ask(FileViewSet, {"photo": photo}, format="multipart")

    assert told(answer) == (415, "unsupported_media_type")
    assert answer.data["detail"] == "Files cannot be written here: photo."
    assert "Store the file first" in caplog.text


def test_a_write_function_that_nobody_knows_is_named_to_the_operator(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(TypoViewSet, {"label": "a"}, format="json")

    assert told(answer) == (500, "unknown_write_function")
    assert "No write function is named 'jottings.mesure'" in caplog.text


def test_a_value_that_the_stream_cannot_carry_is_named_to_the_operator(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(ObjectViewSet, {"label": "a"}, format="json")

    assert told(answer) == (500, "unsupported_argument")
    assert "The argument data.place is a value of the type object" in caplog.text


def test_a_float_that_is_no_number_is_refused_and_not_stored_as_null(db: None) -> None:
    answer = ask(FloatViewSet, {"rate": "nan"}, format="json")

    assert told(answer) == (400, "invalid")
    assert answer.data["fields"] == {"rate": ["A number that is not finite cannot be kept exactly."]}


@pytest.mark.parametrize("headers", [{}, IDENTIFIED], ids=["", "with a key"])
@pytest.mark.parametrize("levels", [160, 254, 300])
def test_what_another_parser_lets_through_is_refused_too(db: None, levels: int, headers: Any) -> None:
    body = b'{"label": "a", "payload": ' + nested(levels) + b"}"

    answer = ask(UnboundedViewSet, body, content_type="application/json", **headers)

    assert told(answer) == (400, "invalid")


@pytest.mark.parametrize("key", ["abc", "1.5", "9" * 5_000, "-", "%00"])
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_key_that_its_field_cannot_hold_is_404_whatever_the_method(
    db: None, clean_redis: redis.Redis, method: str, key: str
) -> None:
    answer = APIClient().generic(
        method.upper(), f"{PATH}{key}/", '{"label": "a"}', content_type="application/json"
    )

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_what_is_stored_deeper_or_larger_than_a_body_may_be_can_be_read(db: None) -> None:
    payload: Any = 2**70
    for _ in range(500):
        payload = [payload]
    Measurement.objects.create(label="a", payload=payload)

    answer = APIClient().get(PATH)

    assert answer.status_code == 200
    assert answer.content.count(b"[") == 501
    assert str(2**70).encode() in answer.content


class RenderedViewSet(MeasurementViewSet):
    renderer_classes = [JSONRendererOfDRF, BrowsableAPIRenderer]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_under_another_renderer_a_response_is_encoded_once(answered: Answered, accept: str) -> None:
    answer = answered(lambda: ask(RenderedViewSet, {"label": "a"}, format="json", HTTP_ACCEPT=accept))

    assert answer.status_code == 201
    assert answer.data["label"] == "a"
    assert b'\\"label\\"' not in answer.rendered_content


class Nowhere:
    """A URLconf without the route `write-status`."""

    urlpatterns = [path("measurements/", MeasurementViewSet.as_view({"post": "create"}))]


def test_without_the_route_of_the_status_an_accepted_write_gets_its_response(
    clean_redis: redis.Redis, db: None
) -> None:
    from workers.rest import responses

    responses._around.cache_clear()
    try:
        with override_settings(ROOT_URLCONF=Nowhere):
            answer = ask(MeasurementViewSet, {"label": "a"}, format="json", HTTP_PREFER="respond-async")
    finally:
        responses._around.cache_clear()

    assert answer.status_code == 202
    assert (answer["Write-Id"], answer.data["url"], "Location" in answer) == (
        answer.data["write_id"],
        None,
        False,
    )
