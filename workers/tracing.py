"""OpenTelemetry, where it is installed and WRITE_TRACE_CONTEXT asks for it: one trace from request to commit.

A write carries the place in the trace of whoever asked (W3C Trace Context). The writer makes a span for each
batch, linked to its writes, and one for each write, from its acceptance to its outcome, below the asker's.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from workers.conf import settings
from workers.in_hand import Request
from workers.writes import Outcome, Write, WriteStatus

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError:  # then what came is carried, and no span is made
    trace = None  # type: ignore[assignment]  # which says so

NAME = "one-writer"


def traceparent(request: Request | None) -> str:
    """Return where in a trace this caller is: its current span, else what its request came with; or empty."""
    if not settings.WRITE_TRACE_CONTEXT:
        return ""
    carrier: dict[str, str] = {}
    if trace is not None:
        TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", request.traceparent if request else "")


class BatchTrace:
    """The spans of one batch."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def end(self, settled: Iterable[tuple[Write, Outcome]]) -> None:
        """Make the span of each write that has its outcome now."""
        tracer = trace.get_tracer(NAME)
        batch = trace.Link(self._span.get_span_context())
        for write, outcome in settled:
            if not write.traceparent:
                continue
            span = tracer.start_span(
                f"write {write.function}",
                context=_context(write),
                kind=trace.SpanKind.CONSUMER,
                start_time=write.write_id * 1_000,  # accepted; in nanoseconds
                links=[batch],
                attributes={
                    "one_writer.write_id": str(write.write_id),
                    "one_writer.status": str(outcome.status),
                    "one_writer.request_id": write.request_id,
                    "http.response.status_code": outcome.http_status,
                },
            )
            if outcome.status is WriteStatus.FAILED:
                span.set_status(trace.StatusCode.ERROR)
            span.end()


class _NoTrace:
    def end(self, settled: Iterable[tuple[Write, Outcome]]) -> None:
        pass


_UNTRACED = nullcontext(_NoTrace())


@contextmanager
def _span(writes: Sequence[Write]) -> Iterator[BatchTrace]:
    contexts = [trace.get_current_span(_context(write)).get_span_context() for write in writes]
    with trace.get_tracer(NAME).start_as_current_span(
        "commit batch",
        kind=trace.SpanKind.CONSUMER,
        links=[trace.Link(context) for context in contexts],
        attributes={"messaging.batch.message_count": len(writes)},
    ) as span:
        yield BatchTrace(span)


def batch(writes: Sequence[Write]) -> AbstractContextManager[BatchTrace | _NoTrace]:
    """Have the block, which commits these writes, be a span, where any of them is part of a trace."""
    if not settings.WRITE_TRACE_CONTEXT or trace is None:
        return _UNTRACED
    traced = [write for write in writes if write.traceparent]
    return _span(traced) if traced else _UNTRACED


def _context(write: Write) -> Any:
    return TraceContextTextMapPropagator().extract({"traceparent": write.traceparent})
