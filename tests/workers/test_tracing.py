"""One trace from request to commit: what came with a request goes with its write; the writer adds spans."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import redis
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workers import submit, tracing
from workers.in_hand import in_hand
from workers.request_id import request_id
from workers.stream import redis_stream
from workers.writer.loop import Writer
from workers.writes import decode

TRACE, SPAN = 0xA1B2 << 100, 0xC3D4
PLACE = f"00-{TRACE:032x}-{SPAN:016x}-01"

_exporter = InMemorySpanExporter()


@pytest.fixture(scope="session")
def _provider() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_exporter))
    trace.set_tracer_provider(provider)  # once for each process, as the interface has it


@pytest.fixture
def spans(_provider: None) -> Iterator[InMemorySpanExporter]:
    _exporter.clear()
    with override_settings(WRITE_TRACE_CONTEXT=True):
        yield _exporter


def asked(function: str, **headers: str) -> int:
    """Submit a write from within a request with these headers; return its id."""
    ids: list[int] = []

    def view(request: HttpRequest) -> HttpResponse:
        ids.append(submit(function, {"text": "no", "data": {"text": "a"}}, announced=False).accepted())
        return HttpResponse()

    response = request_id(view)(RequestFactory().post("/", headers=headers))
    assert response.headers["X-Request-ID"]
    return ids[0]


def carried(client: redis.Redis, write_id: int) -> str:
    entry = redis_stream.find(client, write_id)
    assert entry is not None
    return decode(write_id, entry.payload).traceparent


def of_write(found: tuple[ReadableSpan, ...], write_id: int) -> ReadableSpan:
    [span] = [one for one in found if (one.attributes or {}).get("one_writer.write_id") == str(write_id)]
    return span


def test_the_writers_spans_are_below_the_requests(
    writer: Writer, clean_redis: redis.Redis, spans: InMemorySpanExporter
) -> None:
    good = asked("jottings.add", traceparent=PLACE)
    bad = asked("jottings.add_then_raise", traceparent=PLACE)
    other = asked("jottings.add")

    writer.drain()

    found = spans.get_finished_spans()
    assert len(found) == 3  # two writes and their batch
    [batch] = [one for one in found if one.name == "commit batch"]
    assert {link.context.trace_id for link in batch.links} == {TRACE}
    for write_id, status, is_ok in ((good, "committed", True), (bad, "failed", False)):
        span = of_write(found, write_id)
        assert span.context is not None and span.parent is not None and batch.context is not None
        assert (span.context.trace_id, span.parent.span_id) == (TRACE, SPAN)
        assert (span.attributes or {})["one_writer.status"] == status
        assert (span.status.status_code is not trace.StatusCode.ERROR) == is_ok
        assert span.start_time == write_id * 1_000 < (span.end_time or 0)
        assert [link.context.span_id for link in span.links] == [batch.context.span_id]
    assert other


def test_a_span_of_the_web_process_is_the_parent_before_what_came(
    writer: Writer, clean_redis: redis.Redis, spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("test").start_as_current_span("serve") as serving:
        write_id = asked("jottings.add", traceparent=PLACE)
    writer.drain()

    span = of_write(spans.get_finished_spans(), write_id)
    assert span.parent is not None
    assert span.parent.span_id == serving.get_span_context().span_id


def test_without_the_sdks_interface_what_came_is_carried_all_the_same(
    writer: Writer, clean_redis: redis.Redis, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "trace", None)
    write_id = asked("jottings.add", traceparent=PLACE)
    assert carried(clean_redis, write_id) == PLACE

    writer.drain()

    assert redis_stream.length(clean_redis) == 0
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize(
    "bad", ["", "x", PLACE.upper(), PLACE + "0", f"ff{PLACE[2:]}", f"00-{'0' * 32}-{'1' * 16}-01"]
)
def test_what_is_no_place_in_a_trace_is_not_carried(
    clean_redis: redis.Redis, spans: InMemorySpanExporter, bad: str
) -> None:
    assert carried(clean_redis, asked("jottings.add", traceparent=bad)) == ""


def test_where_nobody_asked_for_it_nothing_is_carried_and_no_span_is_made(
    writer: Writer, clean_redis: redis.Redis, spans: InMemorySpanExporter
) -> None:
    with override_settings(WRITE_TRACE_CONTEXT=False), trace.get_tracer("t").start_as_current_span("serve"):
        write_id = asked("jottings.add", traceparent=PLACE)
        assert carried(clean_redis, write_id) == ""
        writer.drain()

    assert [one.name for one in spans.get_finished_spans()] == ["serve"]
    assert in_hand.get() is None


def test_a_batch_of_no_trace_is_no_span() -> None:
    with tracing.batch([]) as found:
        found.end([(SimpleNamespace(traceparent=""), None)])  # type: ignore[list-item]  # not looked at
